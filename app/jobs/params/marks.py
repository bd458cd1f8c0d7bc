"""Keys of stored params that are not the author's, and the containers that they name."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Final

#: Names the type of what no JSON says by itself.
IS: Final = "$is"
#: What a model knows beside its fields: which were given, which are extra, private attributes, and
#: which it leaves out of whatever it is shown as.
SET: Final = "$set"
EXTRA: Final = "$extra"
PRIVATE: Final = "$private"

EXCLUDED: Final = "$excluded"
#: Among what was entered: which fields were values of Python and no JSON.
MADE: Final = "$made"

SEQUENCES: Final[Mapping[str, type]] = {
    each.__name__: each for each in (tuple, set, frozenset, collections.deque)
}
MAPPINGS: Final[Mapping[str, type]] = {
    each.__name__: each for each in (dict, collections.OrderedDict, collections.Counter)
}
#: What makes the missing values of a defaultdict, as far as a name can say it.
FACTORIES: Final[Mapping[str, type]] = {
    each.__name__: each for each in (int, float, str, bool, list, dict, set)
}
