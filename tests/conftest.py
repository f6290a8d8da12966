"""Property tests draw the same examples each time, as everything else here does; `pytest --hypothesis-profile=explore tests` draws new ones."""
from hypothesis import settings

settings.register_profile("repeat", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("repeat")
