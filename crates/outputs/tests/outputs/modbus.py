"""What a client of Modbus reads of two lines, and that it can trigger: python3 modbus.py PORT"""

import struct
import sys
import time

from pymodbus.client import ModbusTcpClient

client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]))
assert client.connect()


def registers(start, read=client.read_input_registers):
    answer = read(start, count=40)
    assert not answer.isError(), answer
    return answer.registers


def number(words):
    return struct.unpack(">I", struct.pack(">HH", *words))[0]


def real(words):
    return struct.unpack(">f", struct.pack(">HH", *words))[0]


lids = registers(0)
assert lids[0] == 1 and lids[2] == 1 and lids[3] == 2, lids
assert number(lids[4:6]) == 7
assert abs(real(lids[6:8]) - 0.7) < 1e-6 and real(lids[8:10]) == 0.5
assert number(lids[10:12]) == 8 and lids[12:15] == [1, 0, 0]
assert number(lids[16:18]) < 600_000
assert [number(lids[at : at + 2]) for at in range(18, 30, 2)] == [4, 3, 0, 0, 0, 0]
assert any(lids[30:38])
assert registers(0, client.read_holding_registers)[2:] == lids[2:]

caps = registers(1000)
assert caps[0] == 0 and caps[2:4] == [1, 0], "its camera is lost: rejects, and no verdict yet"
assert real(caps[6:8]) != real(caps[6:8]), "no score: not a number"
assert caps[14] == 1 and number(caps[26:28]) == 70_000

inputs = client.read_discrete_inputs(0, count=4).bits[:4]
assert inputs == [True, True, False, False], inputs
assert client.read_discrete_inputs(1000, count=4).bits[:4] == [False, True, True, False]
assert client.read_input_registers(2, count=2).registers == [1, 2], "a part"

heartbeat = lids[1]
end = time.monotonic() + 60
while registers(0)[1] == heartbeat:
    assert time.monotonic() < end, "the heart stands still"
    time.sleep(0.05)

assert not client.write_coil(0, True).isError()
assert not client.write_coil(0, False).isError()
assert client.read_coils(0, count=1).bits[0] is False
for wrong, code in [
    (client.read_input_registers(30, count=20), 2),
    (client.read_input_registers(500, count=1), 2),
    (client.write_coil(1, True), 2),
    (client.write_register(0, 1), 1),
    (client.write_registers(0, [1, 2]), 1),
]:
    assert wrong.isError() and wrong.exception_code == code, wrong
client.close()
