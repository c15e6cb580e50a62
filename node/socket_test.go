package node

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/intake"
)

func TestClusterPort_TheSocketCanBeFoundAtBothEnds(t *testing.T) {
	for name, key := range map[string]*clusterKey{"in clear": nil, "with a key": secret(1)} {
		t.Run(name, func(t *testing.T) {
			p, err := listenCluster("127.0.0.1:0", nil, key, newFabric(), self{}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			var wg sync.WaitGroup
			wg.Go(func() { _ = p.run(ctx) })
			t.Cleanup(func() { cancel(); patience.Done(t, "the end of the cluster port", wg.Wait) })
			dialled, err := p.dial(ctx, "", p.ln.Addr().String())
			if err == nil {
				_, err = dialled.Write([]byte(grpcPreamble))
			}
			if err != nil {
				t.Fatal(err)
			}
			defer dialled.Close()
			accepted := patience.Receive(t, "the connection is accepted", p.grpc.conns)
			defer accepted.Close()
			a, b := intake.Below(dialled), intake.Below(accepted)
			if a == nil || b == nil || a.LocalAddr().String() != b.RemoteAddr().String() {
				t.Errorf("dialled %v, accepted %v", a, b)
			}
		})
	}
}
