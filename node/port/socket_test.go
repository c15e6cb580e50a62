package port

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/intake"
)

func TestClusterPort_TheSocketCanBeFoundAtBothEnds(t *testing.T) {
	for name, key := range map[string]*Key{"in clear": nil, "with a key": secret(1)} {
		t.Run(name, func(t *testing.T) {
			p, err := Listen("127.0.0.1:0", &Dialer{Key: key, Fabric: NewFabric()}, Self{}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
			var wg sync.WaitGroup
			wg.Go(func() { _ = p.Run(ctx) })
			t.Cleanup(func() { cancel(); patience.Done(t, "the end of the cluster port", wg.Wait) })
			dialled, err := p.Dial(ctx, "", p.ln.Addr().String())
			if err == nil {
				_, err = dialled.Write([]byte(grpcPreamble))
			}
			if err != nil {
				t.Fatal(err)
			}
			defer dialled.Close()
			taken := accepted(t, p.GRPC)
			defer taken.Close()
			a, b := intake.Below(dialled), intake.Below(taken)
			if a == nil || b == nil || a.LocalAddr().String() != b.RemoteAddr().String() {
				t.Errorf("dialled %v, accepted %v", a, b)
			}
		})
	}
}
