"""Problems with a known answer, seeded and frozen: the same teachers everywhere and for ever."""
