"""Ask a folder of documents a question; get the sentences that answer it, each with a citation that can be checked."""

from __future__ import annotations

import os

# Nothing leaves the machine: from 1.29 on, onnxruntime reports to its makers over HTTPS what it is used for, from C++,
# and gives the machine a number to be told by, unless it finds this when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
