"""Ask a folder of documents a question; get the sentences that answer it, each with a citation that can be checked."""
