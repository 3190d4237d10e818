# SPDX-License-Identifier: GPL-2.0-only
"""Maglev as Cilium computes it, once more: whoever is to be chosen for a packet can be told beforehand."""
import ipaddress
import socket
import struct

SEED_NAME, SEED_IPV4, SEED_IPV6 = 0x24b7ef82, 0x71dcda46, 0x92505688
PROTO = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
_M32, _M64 = (1 << 32) - 1, (1 << 64) - 1


def _rol(word, n, bits):
    return (word << n | word >> (bits - n)) & ((1 << bits) - 1)


def murmur3_128(data, seed):
    """x64_128, both halves."""
    c1, c2 = 0x87c37b91114253d5, 0x4cf5ad432745937f

    def scramble(k, a, n, b):
        return _rol(k * a & _M64, n, 64) * b & _M64

    def finish(k):
        for c in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
            k = (k ^ k >> 33) * c & _M64
        return k ^ k >> 33

    h1 = h2 = seed
    whole = len(data) // 16 * 16
    for k1, k2 in struct.iter_unpack("<QQ", data[:whole]):
        h1 = ((_rol(h1 ^ scramble(k1, c1, 31, c2), 27, 64) + h2) * 5 + 0x52dce729) & _M64
        h2 = ((_rol(h2 ^ scramble(k2, c2, 33, c1), 31, 64) + h1) * 5 + 0x38495ab5) & _M64
    k1, k2 = struct.unpack("<QQ", data[whole:].ljust(16, b"\0"))
    h1 ^= scramble(k1, c1, 31, c2) ^ len(data)
    h2 ^= scramble(k2, c2, 33, c1) ^ len(data)
    h1 = (h1 + h2) & _M64
    h2 = (h2 + h1) & _M64
    h1, h2 = finish(h1), finish(h2)
    h1 = (h1 + h2) & _M64
    return h1, (h2 + h1) & _M64


def _final(a, b, c):
    for n in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rol(b, n, 32)) & _M32
        a, b, c = b, c, a
    return b    # it was c when the last turn began


def _mix(a, b, c):
    for n in (4, 6, 8, 16, 19, 4):
        a = (a - c & _M32) ^ _rol(c, n, 32)
        c = c + b & _M32
        a, b, c = b, c, a
    return a, b, c


def packet_hash(client, client_port, port, proto):
    """Of what the client has sent to the service's port."""
    address = ipaddress.ip_address(client).packed
    words = struct.unpack(f"<{len(address) // 4}I", address)
    ports = socket.htons(port) << 16 | socket.htons(client_port)
    if len(words) == 1:
        begin = 0xdeadbeef + (3 << 2) + SEED_IPV4
        return _final(*(x + begin & _M32 for x in (words[0], ports, PROTO[proto])))
    a, b, c = _mix(*words[:3])
    a, b, c = _mix(a + words[3] & _M32, b + ports & _M32, c + PROTO[proto] & _M32)
    return _final(a + SEED_IPV6 & _M32, b, c)


def table(backends, proto, size=16381):
    """@backends: {(address, port): weight}. The backend of each entry."""
    def name(at):
        host = f"[{at[0]}]" if ":" in at[0] else at[0]
        return f"[{host}:{at[1]}/{proto.upper()},State:active]".encode()

    order = sorted(backends, key=name)
    n, whole = len(order), sum(backends.values())
    weighted = whole // n > 1 and len(set(backends.values())) > 1
    turns = [backends[at] / n for at in order]

    def liked(at):
        h1, h2 = murmur3_128(name(at), SEED_NAME)
        yield from ((h1 + j * (h2 % (size - 1) + 1)) % size for j in range(size))

    places = [liked(at) for at in order]
    result = [None] * size
    for turn in range(size):
        i = turn % n
        while weighted and (turn + 1) * backends[order[i]] < int(turns[i]):
            i = (i + 1) % n
        turns[i] += whole
        result[next(p for p in places[i] if result[p] is None)] = order[i]
    return result
