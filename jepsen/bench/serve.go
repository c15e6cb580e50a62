package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// The DNs of the latency probe of kamailio/run.sh, and where the caller of its
// part call is: a gateway.
const (
	probeFirst  = 9_000_000
	probeDNs    = 20_000
	peerGateway = "127.0.9.1:6090"
)

// serveOnly starts three nodes on loopback with -dns DNs, the probe's and the
// gateway's, says in shell form how to reach them, and runs until the input ends.
func (b *bench) serveOnly(ctx context.Context) (err error) {
	l, err := b.lab(ctx, 3, []int{0, 0, 0}, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for first, count := range map[int]int{firstDN: b.dns, probeFirst: probeDNs} {
		if err := configure(ctx, l.nodes[0], b.realm, numbers(first, count)); err != nil {
			return err
		}
	}
	if err := l.nodes[0].PutDNs(ctx, []*configpb.DN{gatewayDN("gw", peerGateway)}); err != nil {
		return err
	}
	if err := l.configured(ctx, b.dns+probeDNs+1); err != nil {
		return err
	}
	var addrs, pids []string
	for _, n := range l.nodes {
		addrs = append(addrs, n.Addr(cluster.SIP).String())
		pids = append(pids, fmt.Sprint(n.PID()))
	}
	fmt.Printf("TARGETS=%q TARGET_PIDS=%q\n", strings.Join(addrs, " "), strings.Join(pids, " "))
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	<-ctx.Done()
	return nil
}
