"""A network's state in the names that operators' controllers use, and back; see docs/operators.md.

The names are those of ETSI GS QKD 015 V2.1.1 (2022-04). A simulated network makes no key: whatever
a view says of stored key are numbers, and nothing may be encrypted with them.
"""

from qkd_gym.operators.observer import Observer
from qkd_gym.operators.schema import View, read_view
from qkd_gym.operators.views import view

__all__ = ["Observer", "View", "read_view", "view"]
