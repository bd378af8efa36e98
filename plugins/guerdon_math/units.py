"""Units of measure: which words are units, of what dimension, and how they convert."""

from dataclasses import dataclass
from fractions import Fraction

ONE = Fraction(1)


@dataclass(slots=True, frozen=True)
class Unit:
    """A unit: its dimension as base units with exponents, and its size in base units.

    An unknown unit (`apples`) has no dimension: it says nothing that another label could contradict.
    """

    name: str
    dimension: tuple[tuple[str, int], ...] = ()
    size: Fraction = ONE
    known: bool = True

    def power(self, n: int) -> "Unit":
        return Unit(f"{self.name}^{n}", tuple((d, e * n) for d, e in self.dimension), self.size**n, self.known)

    def times(self, other: "Unit", sign: int = 1) -> "Unit":
        exponents = dict(self.dimension)
        for dimension, e in other.dimension:
            exponents[dimension] = exponents.get(dimension, 0) + sign * e
        merged = tuple(sorted((d, e) for d, e in exponents.items() if e))
        name = f"{self.name}{'·' if sign > 0 else '/'}{other.name}"
        return Unit(name, merged, self.size * other.size**sign, self.known and other.known)


PERCENT = Unit("%", (("percent", 1),))
DEGREE = Unit("°", (("degree", 1),))
CURRENCIES = {"$": "usd", "€": "eur", "£": "gbp", "¥": "cny", "₹": "inr", "₽": "rub", "₩": "krw"}

_TABLE = """
m 1 m meter meters metre metres 米 公尺 метр метра метров mètres metros
m 1/1000 mm millimeter millimeters millimetre millimetres 毫米
m 1/100 cm centimeter centimeters centimetre centimetres 厘米 公分 см
m 1/10 dm decimeter decimeters decimetre decimetres 分米
m 1000 km kilometer kilometers kilometre kilometres 千米 公里 км
m 0.0254 in inch inches 英寸
m 0.3048 ft foot feet 英尺
m 0.9144 yd yard yards
m 1609.344 mi mile miles 英里
m 0.000001 μm micrometer micrometers micron microns
m 0.000000001 nm nanometer nanometers
g 1 g gm gram grams gramme grammes 克 г
g 1000 kg kilogram kilograms kilo kilos 千克 公斤 кг
g 500 斤
g 1/1000 mg milligram milligrams 毫克
g 1000000 t ton tons tonne tonnes 吨
g 453.59237 lb lbs pound pounds
g 28.349523125 oz ounce ounces
s 1 s sec secs second seconds 秒 с
s 60 min mins minute minutes 分钟 minutos
s 3600 h hr hrs hour hours 小时 heures horas
s 86400 day days d 天 日 jours días
s 604800 week weeks wk 周 星期
y 1 month months 月 个月
y 12 year years yr yrs 年 岁 ans años
l 1 L l liter liters litre litres 升
l 1/1000 mL ml milliliter milliliters millilitre millilitres 毫升
l 3.785411784 gal gallon gallons
l 0.946352946 quart quarts qt
l 0.473176473 pint pints pt
usd 1 dollar dollars USD 美元 dólares
usd 1/100 cent cents ¢ 美分
cny 1 yuan rmb RMB 元 块 人民币
cny 1/10 角
cny 1/100 分
eur 1 euro euros EUR
gbp 1 GBP
inr 1 rupee rupees Rs
percent 1 percent pct per\u00a0cent 百分之 pourcent prozent процентов процента процент
degree 1 degree degrees deg 度
degree 1/60 arcmin arcminute arcminutes
degree 1/3600 arcsec arcsecond arcseconds
rad 1 rad radian radians 弧度
kelvin 1 K kelvin kelvins
celsius 1 celsius 摄氏度
fahrenheit 1 fahrenheit
newton 1 N newton newtons 牛
newton 1000 kN
joule 1 J joule joules 焦耳
joule 1000 kJ
watt 1 W watt watts 瓦
watt 1000 kW
volt 1 V volt volts 伏
ampere 1 A ampere amperes amp amps
hertz 1 Hz hertz
hertz 1000 kHz
pascal 1 Pa pascal pascals
pascal 1000 kPa
mole 1 mol mole moles
ohm 1 ohm ohms Ω
bit 1 bit bits
bit 8 byte bytes
are 100 hectare hectares ha 公顷
are 1 are ares
acre 1 acre acres
"""

UNITS: dict[str, Unit] = {}
for _line in _TABLE.strip().splitlines():
    _dimension, _size, *_names = _line.split(" ")
    for _name in _names:
        UNITS[_name] = Unit(_names[0], ((_dimension, 1),), Fraction(_size))
UNITS["mph"] = UNITS["mi"].times(UNITS["h"], -1)
UNITS["kph"] = UNITS["kmh"] = UNITS["km"].times(UNITS["h"], -1)
UNITS["fps"] = UNITS["ft"].times(UNITS["s"], -1)
UNITS["sqft"] = UNITS["ft"].power(2)
for _han, _power in (("平方", 2), ("立方", 3)):
    for _name in ("米", "厘米", "分米", "毫米", "千米", "公里"):
        UNITS[_han + _name] = UNITS[_name].power(_power)
UNITS["cc"] = UNITS["cm"].power(3)

SYMBOLS = frozenset(n for n in UNITS if n.isascii() and len(n) <= 4 and n not in ("foot", "inch", "mile", "yard"))
"""Short forms, which a plain run of letters may be (12cm)."""
POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
GENERIC = {"unit", "units", "单位"}
"""These name no unit in particular."""


def unit_of(word: str) -> Unit | None:
    """The unit that a word names, `None` if it names none. Case matters for symbols only (m, M)."""
    found = UNITS.get(word)
    if found is None and len(word) > 3:
        found = UNITS.get(word.lower())
    return found


def unknown(label: str) -> Unit:
    """A label that measures nothing, as `apples`."""
    return Unit(label, (), ONE, known=False)
