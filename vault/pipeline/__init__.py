"""Pure stages between a source's bytes and a store's bytes: cut, compress, seal, lists; each module holds both directions."""
