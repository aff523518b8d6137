"""The skills that ship with Realm: one package or file, one YAML and one test each."""
