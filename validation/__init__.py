"""How true and how safe the reference database is."""
