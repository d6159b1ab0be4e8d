"""How the reader is made: rows of questions to passages to weights.

    python -m qa.training ROWS... --out FOLDER

`material` turns rows into documents, indexes them and asks the questions of them with the project's own ranking, so
that the reader learns from what it will be shown; `fitting` trains; `weights` writes the graph that `qa.reader` runs.
"""

from __future__ import annotations
