"""A model of spec 80-leases: every order of the steps of writers and pruners over one store, and what each rule is for."""
