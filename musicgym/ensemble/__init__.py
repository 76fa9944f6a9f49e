"""Ensembles: PettingZoo environments in which each voice that is composed is an agent, over the engine of `ComposeEnv`.

`parallel_env` has the voices of a step choose at once, `aec_env` one after the other. `docs/ensembles.md` shows both at work.
Needs PettingZoo: `pip install "musicgym[ensemble]"`.
"""

try:
    import pettingzoo as _pettingzoo  # noqa: F401  # only to say what is missing
except ModuleNotFoundError as error:
    remedy = 'run `pip install "musicgym[ensemble]"`'
    raise ModuleNotFoundError(f"musicgym.ensemble needs PettingZoo: {remedy}", name="pettingzoo") from error

from musicgym.ensemble.aec import AECEnsemble
from musicgym.ensemble.parallel import ParallelEnsemble

aec_env = AECEnsemble  # as PettingZoo's own modules name what makes their environments: parallel_env, and this beside it
parallel_env = ParallelEnsemble

__all__ = ["AECEnsemble", "ParallelEnsemble", "aec_env", "parallel_env"]
