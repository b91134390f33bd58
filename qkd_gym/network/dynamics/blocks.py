"""Compiled blocks of sifted bits, whose key comes when they are full.

Key is distilled from a whole block at once, since the statistics of its counts bound what an
eavesdropper knows. A full block yields the key rate integrated over the time in which it filled;
bits sifted while the rate is zero are thrown away. An outage or a QBER past the threshold
interrupts a block, as switching its link off does.
"""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.jit import called, inlined
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.rng import BLOCKS, skip, stream, uniform
from qkd_gym.network.state import BLOCK_ROW, State


@inlined
def start_block(
    s: State,
    bank: Bank,
    b: int,
    e: int,
    rate_bps: np.float32,
    sifted_bps: np.float32,
    qber: np.float32,
) -> None:
    """The block of a link that has been running: anywhere between empty and full."""
    if len(bank.sifted_per_block) == 0 or rate_bps <= 0.0:
        return
    size = bank.sifted_per_block[bank.links[s.episodes[b].network, e].table]
    if size == math.inf:
        return
    _, filled = uniform(skip(stream(s.episodes[b].key, 0, BLOCKS), e))
    blocks = s.blocks[b]
    blocks[BLOCK_ROW.filled, e] = filled
    blocks[BLOCK_ROW.key_bits, e] = filled * size * rate_bps / sifted_bps
    blocks[BLOCK_ROW.qber_bits, e] = blocks[BLOCK_ROW.key_bits, e] * qber


@inlined
def interrupt_block(blocks: np.ndarray, loses_blocks: int, e: int | np.uint32) -> None:
    """Loses what a link has of a block, unless that is kept.

    Args:
        blocks: Blocks of the episode, (len(BLOCK_ROW), E), or (len(BLOCK_ROW), 0) without any.
        loses_blocks: Whether it is lost.
        e: Link.
    """
    if blocks.shape[1] > 0 and loses_blocks:
        for row in range(len(blocks)):
            blocks[row, e] = 0.0


@called
def fill_block(
    blocks: np.ndarray,
    loses_blocks: int,
    size: float,
    qber_threshold: np.float32,
    e: np.uint32,
    mean: np.float32,
    sifted: np.float32,
    made: np.float32,
    qber: np.float32,
) -> tuple[int, np.float32]:
    """Adds what a link made in an interval to its block.

    Args:
        blocks: Blocks of the episode, (len(BLOCK_ROW), E).
        loses_blocks: Whether an interruption loses a block.
        size: Sifted bits of the link's full block; infinite if it makes key continuously.
        qber_threshold: QBER from which the link raises the alarm.
        e: Link.
        mean: Expected key of the interval, bits; 0 if the link makes none.
        sifted: Expected sifted bits of the interval.
        made: Key of the interval as shot noise has it, which is that of the sifted bits.
        qber: QBER of the interval.

    Returns:
        Key of the blocks that are full now, in bits, and the QBER at which it was made.
    """
    if size == math.inf:
        return int(made), qber
    if mean <= 0.0:
        if qber >= qber_threshold:
            interrupt_block(blocks, loses_blocks, e)
        return 0, qber
    added = float(made) / float(mean) * float(sifted) / size
    filled = blocks[BLOCK_ROW.filled, e] + added
    full = math.floor(filled)
    # What is left over once a block is full was sifted in this interval.
    left = min((filled - full) / added, 1.0) if full > 0 else 0.0
    key = blocks[BLOCK_ROW.key_bits, e] + (1.0 - left) * made
    qber_bits = blocks[BLOCK_ROW.qber_bits, e] + (1.0 - left) * made * qber
    blocks[BLOCK_ROW.filled, e] = filled - full
    if full == 0:
        blocks[BLOCK_ROW.key_bits, e] = key
        blocks[BLOCK_ROW.qber_bits, e] = qber_bits
        return 0, qber
    blocks[BLOCK_ROW.key_bits, e] = left * made
    blocks[BLOCK_ROW.qber_bits, e] = left * made * qber
    return int(key), np.float32(qber_bits / key)
