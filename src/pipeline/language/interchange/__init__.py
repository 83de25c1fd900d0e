"""Tasks to and from the visual editor of Rodatz et al. (2024), tlaakkonen/patlang-editor.

Its files say which boxes there are and how the two diagrams of an equation are wired. They do not say what a wire
carries, what a data box draws, what an equation's divergence and weight are, and what it trains: the editor asks for
that when it is needed, and `read` takes it as arguments, with the editor's defaults. In the editor every equation has
its own draws, so the sources that are read are named after their equation:

>>> from pipeline.language import Dataset, Learner, Type, mse, equation, task
>>> X, Z = Type("X", (4,)), Type("Z", (2,))
>>> x, enc, dec = Dataset("x", {"x": X}), Learner("enc", (X,), Z), Learner("dec", (Z,), X)
>>> autoencoder = task(recon=equation(dec(enc(x)), x, mse, trains=(enc, dec)))
>>> print(read(write(autoencoder), dimensions={"X": (4,), "Z": (2,)}, sources={"x": "dataset"}).task)
recon : dec(enc(x)) == x   [mse; trains enc, dec]   x ~ x.recon
where
  x.recon ~ data(x: X(4))
  enc : X(4) -> Z(2)
  dec : Z(2) -> X(4)
"""

from pipeline.language.interchange.document import BYTES, text
from pipeline.language.interchange.reading import Imported, read
from pipeline.language.interchange.script import script
from pipeline.language.interchange.writing import lost, write

__all__ = ["BYTES", "Imported", "lost", "read", "script", "text", "write"]
