"""A client with the C core of gRPC: it reads nothing while no request of its program is
under way. Arguments: HOST:PORT, number of requests, seconds between them. Prints failures."""
import sys
import time

import grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    for n in range(int(sys.argv[2])):
        try:
            check(b"", timeout=5)
        except grpc.RpcError as e:
            print(n, e.code(), e.details())
        time.sleep(float(sys.argv[3]))
