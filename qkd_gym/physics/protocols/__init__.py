"""Protocols: from transmittance to gain, QBER and secret key rate."""
