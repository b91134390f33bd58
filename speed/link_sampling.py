"""Simulated link-seconds per CPU-second: this package's exact sampling beside SeQUeNCe's BB84.

Both sides simulate BB84 at the same clock, over the same fibre, in one process. SeQUeNCe follows
every photon as an event; here an interval is one draw, so the ratio grows with its length.

    pip install sequence==0.8.5
    python -m speed.link_sampling
"""

from __future__ import annotations

import json
import time

import numpy as np

from qkd_gym.physics import BB84, Detector, Fiber

CLOCK_HZ = 80e6
LENGTH_KM = 10.0
MEAN_PHOTON_NUMBER = 0.1
EFFICIENCY = 0.8
DARK_COUNTS_HZ = 10.0
LINKS, PULSES = 10_000, 1_000_000_000
SEQUENCE_SECONDS = 2e-3


def sample_links() -> dict[str, float]:
    """CPU time of 10,000 links of 1e9 pulses each."""
    protocol = BB84(
        detector=Detector(EFFICIENCY, DARK_COUNTS_HZ / CLOCK_HZ),
        mean_photon_number=MEAN_PHOTON_NUMBER,
        misalignment=0.0,
        repetition_rate_hz=CLOCK_HZ,
    )
    eta = np.full(LINKS, Fiber().transmittance(LENGTH_KM))
    rng = np.random.default_rng(0)
    protocol.sample(eta, PULSES, rng)
    start = time.process_time()
    counts = protocol.sample(eta, PULSES, rng)
    cpu_s = time.process_time() - start
    return {
        "cpu_s": cpu_s,
        "link_seconds_per_cpu_s": LINKS * PULSES / CLOCK_HZ / cpu_s,
        "sifted_per_pulse": float(counts.sifted.sum() / counts.sent.sum()),
    }


def sequence_link() -> dict[str, float]:
    """CPU time of SeQUeNCe for one link, without its error correction."""
    from sequence.components.optical_channel import ClassicalChannel, QuantumChannel
    from sequence.kernel.timeline import Timeline
    from sequence.qkd.BB84 import pair_bb84_protocols
    from sequence.topology.node import QKDNode

    timeline = Timeline(SEQUENCE_SECONDS * 1e12)
    alice, bob = (QKDNode(name, timeline, stack_size=1) for name in ("alice", "bob"))
    for seed, node in enumerate((alice, bob)):
        node.set_seed(seed)
    pair_bb84_protocols(alice.protocol_stack[0], bob.protocol_stack[0])
    metres = 1e3 * LENGTH_KM
    for sender, receiver in ((alice, bob), (bob, alice)):
        quantum = QuantumChannel(
            f"{sender.name}-quantum", timeline, attenuation=2e-4, distance=metres,
            polarization_fidelity=1.0, frequency=CLOCK_HZ,
        )  # fmt: skip
        quantum.set_ends(sender, receiver.name)
        classical = ClassicalChannel(f"{sender.name}-classical", timeline, distance=metres)
        classical.set_ends(sender, receiver.name)
    alice.update_lightsource_params("frequency", CLOCK_HZ)
    alice.update_lightsource_params("mean_photon_num", MEAN_PHOTON_NUMBER)
    for detector in range(2):
        bob.update_detector_params(detector, "efficiency", EFFICIENCY)
        bob.update_detector_params(detector, "dark_count", DARK_COUNTS_HZ)
        bob.update_detector_params(detector, "count_rate", CLOCK_HZ)
        bob.update_detector_params(detector, "time_resolution", 10)

    keys: list[int] = []

    class Collector:
        """Stands above BB84 and takes its keys."""

        def pop(self, info: int) -> None:
            keys.append(info)

    alice.protocol_stack[0].upper_protocols.append(Collector())
    bob.protocol_stack[0].upper_protocols.append(Collector())
    timeline.init()
    alice.protocol_stack[0].push(length=256, key_num=10**9)
    start = time.process_time()
    timeline.run()
    cpu_s = time.process_time() - start
    return {
        "cpu_s": cpu_s,
        "link_seconds_per_cpu_s": SEQUENCE_SECONDS / cpu_s,
        # Both stations collect each key.
        "sifted_per_pulse": len(keys) / 2 * 256 / (SEQUENCE_SECONDS * CLOCK_HZ),
    }


def main() -> None:
    results = {"qkd_gym": sample_links()}
    try:
        results["sequence"] = sequence_link()
    except ImportError:
        print("SeQUeNCe is not installed and is left out: pip install sequence==0.8.5")
    else:
        ours, theirs = (results[name]["link_seconds_per_cpu_s"] for name in results)
        results["ratio"] = {"link_seconds_per_cpu_s": ours / theirs}
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
