"""The words and commands that the parsers know, by what they mean to them."""

# ruff: noqa: SIM905  a list of words reads best as text

FUNCTIONS = frozenset(
    (
        "Im Re abs acos arccos arccosh arccot arccsc arcctg arcosh arcsec arcsin arcsinh arctan arctanh arctg arg "
        "arsinh artanh asin atan cbrt ceil cis cos cosh cot coth csc csch ctg det exp floor gcd gcf lcm lg ln log max "
        "min sec sech sgn sign sin sinh sqrt tan tanh tg"
    ).split()
)
"""Functions, as commands or as plain words."""
SHORT_WORDS = frozenset(
    (
        "all and any are as at bag box boy bus but by can car cat cow cup day dog egg even for has hen her his if in "
        "is it kid lap may men new no none not odd of old on one or pen per pie pig red six so sum ten the to two use "
        "we won yen yes you"
    ).split()
)
"""Short runs of letters that are words, not products of variables."""
OPERANDS = frozenset("as at by is it".split())
"""Of these, the ones that are products after all where a term must follow: ax + by."""
LOUD_WORDS = frozenset("AND DNE EVEN FALSE NO NONE NOT ODD OR TRUE YES".split())
"""Runs of capitals that are words, not names of points."""
TEXT_COMMANDS = frozenset(
    (
        "bf bm bold boldsymbol boxed emph fbox hbox it mathbf mathcal mathfrak mathit mathnormal mathrm mathscr "
        "mathsf mathtt mbox operatorname rm texorpdfstring text textbf textit textnormal textrm textsf texttt textup "
        "underline"
    ).split()
)
"""Commands whose argument is text, or mathematics in another face."""
ITALIC_COMMANDS = frozenset(
    ("bm bold boldsymbol boxed fbox mathbf mathcal mathfrak mathit mathnormal mathscr underline").split()
)
"""Of these, the ones whose letters are still variables."""
SPACES = frozenset(", : ; enspace qquad quad space thinspace".split()) | frozenset({"\t", "\n", " "})
"""Commands that are a space."""
DROPPED = frozenset(
    (
        "! ( ) , : ; > Big Bigg Biggl Biggr Bigl Bigr Huge LARGE Large [ ] big bigg biggl biggr bigl bigr centering "
        "cline displaystyle enspace hfill hline huge large left limits medspace middle negthinspace noindent nolimits "
        "nonumber notag null qquad quad right scriptstyle space strut textstyle thickspace thinspace"
    ).split()
) | frozenset({"\t", "\n", " "})
"""Commands that say nothing about the value."""
DROPPED_WITH_ARGUMENT = frozenset(
    "color hphantom hspace kern label mspace phantom tag textcolor vphantom vspace".split()
)
"""Commands that say nothing, with an argument that says nothing either."""
GREEK = frozenset(
    (
        "Delta Gamma Lambda Omega Phi Psi Sigma Theta Upsilon Xi aleph alpha beta chi delta ell epsilon eta gamma "
        "hbar iota kappa lambda mu nabla nu omega partial phi psi rho sigma tau theta upsilon xi zeta"
    ).split()
)
"""Letters that are commands."""
DECORATIONS = frozenset(
    (
        "angle bar bigtriangleup ddot dot hat measuredangle overarc overbrace overleftrightarrow overline "
        "overrightarrow square stackrel tilde triangle underbrace vec widehat widetilde"
    ).split()
)
"""Commands that say what the name they stand over is."""
MATRICES = frozenset("Bmatrix array bmatrix bsmallmatrix matrix pmatrix psmallmatrix smallmatrix tabular".split())
"""Environments that are matrices."""
HEDGES = frozenset(
    (
        "plus minus divided squared cubed factorial root roots doubled tripled "
        "about almost and approximately are around between but either except for if is least less maybe more most "
        "nearly neither no nor not of or over roughly than to under when where with"
    ).split()
)
"""Words that make a number uncertain; no unit begins with one."""
NO_FACTOR = frozenset(
    (
        "Rightarrow approx atop because bmod cap cdot choose circ cong cup degree div equiv exists forall ge gt in le "
        "lt mid mod mp ne neg notequiv notin over parallel permil perp pm pmod propto quad rangle rceil rfloor "
        "setminus sim subset subseteq therefore times to vee wedge"
    ).split()
)
"""Commands that no factor begins with."""
LEAD_INS = frozenset(
    (
        "all ans answer antwort are both cevap die either el equal equals es est final finally get have hence "
        "interval is ist it la lautet là only ordered pair pairs point points resposta respuesta result risposta "
        "réponse so solution solutions the therefore thus value we án è é đáp ответ "
        "الإجابة الجواب هو هي उत्तर है "
        "为 共 共有 一共 总共 因此 所以 故 是 答 答え 答えは 答案 答案为 答案是 结果 结果是 답은 정답은"
    ).split()
)
"""Words before an answer that are no part of it."""
OR = frozenset("o oder or ou vee или または 或 或者 또는".split())
"""Words for "or"."""
AND = frozenset("and e et und wedge y и و และ 与 以及 和 및".split())
"""Words for "and"."""
EMPTY = frozenset(
    (
        "empty set|no real solution|no real solutions|no roots|no solution|no solution exists|no solutions|"
        "no solutions exist|no such numbers|no such x|none|null set|there are no solutions|there is no solution|"
        "无解|空集"
    ).split("|")
)
"""Phrases for the empty set."""
REALS = frozenset(
    ("all real numbers|all real x|all reals|any real number|every real number|real numbers|全体实数").split("|")
)
"""Phrases for the set of reals."""
INFINITE = frozenset("infinite|infinite solutions|infinitely many|infinitely many solutions|无数|无穷多".split("|"))
"""Phrases for infinity."""
UNDEFINED = frozenset("dne|does not exist|not defined|undefined|不存在".split("|"))
"""Phrases for what has no value."""
MONTHS = "january february march april may june july august september october november december".split()
"""The months."""
STACKED = frozenset("align aligned alignedat cases dcases gather gathered rcases split".split())
"""Environments that are lists, one item a row."""
DOMAINS = frozenset("arbitrary constant integer integers natural naturals real reals whole 整数".split())
"""Words that only say what a parameter ranges over."""
RELATION_SIGNS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "=<": "<=", "!=": "!=", "<>": "!=", ":=": "=",
    "le": "<=", "ge": ">=", "ne": "!=", "approx": "~", "sim": "~", "cong": "~", "equiv": "==", "in": "in",
    "gt": ">", "lt": "<", "notin": "notin", "to": "to", "->": "to", "notequiv": "!=",
}  # fmt: skip
"""What relates two sides, by the sign that the parsers know."""
FUNCTION_NAMES = frozenset("A C F G H P Q R S T V f g h p phi q r s u v y".split())
"""Letters that may name a function on the left of an equation."""
_SPELLINGS = r"""
frac: dfrac tfrac cfrac nicefrac sfrac
binom: dbinom tbinom
{: lbrace
}: rbrace
le: leq leqslant leqq
ge: geq geqslant geqq
ne: neq
cdot: cdotp ast star
|: lvert rvert vert lVert rVert Vert
infty: infin
ldots: dots cdots dotsc dotsb vdots
emptyset: varnothing
approx: simeq thickapprox doteq
phi: varphi
theta: vartheta
cup: bigcup
epsilon: varepsilon
i: imath
j: jmath
reals: R
tan: tg
cot: ctg
arctan: arctg atan
arccot: arcctg
arcsin: asin
arccos: acos
wedge: land
vee: lor
langle: lang
rangle: rang
setminus: backslash smallsetminus
Rightarrow: iff implies
:: colon
gcd: gcf
degree: textdegree
%: percent
sgn: sign
arsinh: arcsinh
artanh: arctanh
arcosh: arccosh
neg: lnot
to: longrightarrow rightarrow mapsto
sim: thicksim
': prime
"""
ALIASES = {
    alias: name
    for line in _SPELLINGS.strip().splitlines()
    for name, _, rest in [line.partition(": ")]
    for alias in rest.split()
}
"""Commands by another name, and the name that the parsers know."""
