"""The claim behind a finding, run: a `Setup` goes to a worker in the user's environment, evidence comes back.

`setup`, `outcome` and `codec` are the contract. `session`, `probes` and `report` run beside the linter; everything that
`worker` reaches runs in the user's interpreter and needs only the standard library and the libraries it verifies.
"""
