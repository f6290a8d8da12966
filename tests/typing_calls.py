"""Calls as a user writes them, for `make lint` to check: nothing runs them. One that is wrong carries its error."""
from dimm_nb import CausalNetwork, fit_em, load_network

net: CausalNetwork = load_network("alarm")

fit_em(net, net.sample(100, seed=0))
