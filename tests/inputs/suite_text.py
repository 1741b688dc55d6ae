"""Parts of suites that tests write."""

RECIPE = 'models = ["moe-llava-phi2-2.7b-4e"]\nlayers = 1\nnetwork = { servers = 2, users = 3 }\n'
HEAD = 'name = "mine"\nsolvers = ["popularity", "random"]\n'
ENTRY = f'name = "a"\ndispatch = "single"\n{RECIPE}'
