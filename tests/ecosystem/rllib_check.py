"""RLlib trains on the batch environment: PPO, two iterations, the environment made by its vector entry point.

Not a part of the test run: `ray[rllib]` pins its own Gymnasium, so it has a virtual environment of its own. `make rllib` makes
that and runs this file.

RLlib's runners assume the NEXT_STEP mode, while ours is SAME_STEP unless told otherwise: then pieces come out a step short.
`env_config` goes to `gym.make_vec` as it is, so that is where the mode is set, as is any other argument (`reward`,
`observation`, `length`). An id with the package's name before a colon is imported in every worker process. Observations are
uint8, which RLlib's networks do not take: its connector `FlattenObservations` makes floats of them, of tokens too.
"""

from __future__ import annotations

import time

import gymnasium as gym
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.connectors.env_to_module import FlattenObservations

ITERATIONS, PIECES, BATCH, LENGTH = 2, 16, 1024, 32


def main() -> None:
    """Train, and stop with an AssertionError where RLlib's figures are not those of whole pieces."""
    begun = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    config = (
        PPOConfig()
        .environment("musicgym:musicgym/Melody-v0", env_config={"autoreset_mode": "next-step", "length": LENGTH})
        .env_runners(
            num_env_runners=0,
            num_envs_per_env_runner=PIECES,
            gym_env_vectorize_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT,
            env_to_module_connector=lambda env, spaces, device: FlattenObservations(),
        )
        .training(train_batch_size_per_learner=BATCH, minibatch_size=256, num_epochs=2)
        .debugging(seed=1)
    )
    algorithm = config.build_algo()
    vectorised = type(algorithm.env_runner.env.unwrapped).__name__
    assert vectorised == "ComposeVectorEnv", f"RLlib made a {vectorised}"
    for iteration in range(ITERATIONS):
        figures = algorithm.train()["env_runners"]
        print(
            f"iteration {iteration}: {figures['num_env_steps_sampled']:.0f} steps, {figures['num_episodes']:.0f} pieces, "
            f"mean return {figures['episode_return_mean']:.2f}, length {figures['episode_len_mean']:.1f}"
        )
        assert figures["episode_len_mean"] == LENGTH, "a piece lost or gained a step"
        assert figures["num_episodes"] > 0, "no piece was finished"
    algorithm.stop()
    ray.shutdown()
    print(f"RLlib {ray.__version__} on Gymnasium {gym.__version__}: fine, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
