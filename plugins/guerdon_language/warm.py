"""Everything that is slow to load, loaded: imported once in the fork server, so that no judging waits for it."""

from guerdon_language.detectors import lingua
from guerdon_language.lexicon import lexicon
from guerdon_language.segmentation import chinese

lexicon()
list(chinese("预热"))
lingua("warm")
