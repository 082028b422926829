"""The syntax that the interpreter follows: libcst's tree under libcst's names, without white space, commas and brackets.

libcst makes an object of every blank, which was a third of a run. `reading.py` makes these nodes of `ast`, for a seventh of that;
`concrete.py` finds libcst's node for one of them where a place is told or code is edited, which few files come to.
"""

# One name for what the modules below define.
from hflint.semantics.tree.base import *  # noqa: F403
from hflint.semantics.tree.definitions import *  # noqa: F403
from hflint.semantics.tree.expressions import *  # noqa: F403
from hflint.semantics.tree.operators import *  # noqa: F403
from hflint.semantics.tree.statements import *  # noqa: F403
