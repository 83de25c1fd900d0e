"""A user's own task as a system: its file is read (`files`), its learners get nets where they have none, and what the
trained learners can be used for is told from their types (`system`). And a user's own classifier, as what others start
from (`classifier`).

Reading a file runs it. So a model folder that holds one is code: load only what you made, or registered, yourself.
"""

from pipeline.systems.own import classifier
from pipeline.systems.own.files import NAME, TaskFile, blamed, find, read
from pipeline.systems.own.system import Settings, build, with_nets

__all__ = ["NAME", "Settings", "TaskFile", "blamed", "build", "classifier", "find", "read", "with_nets"]
