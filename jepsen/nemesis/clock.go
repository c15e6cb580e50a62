package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// clock sets a node's wall clock wrong. It needs servers that were built for it.
func clock(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	n := nodes[0]
	offset := []int{3600, -3600, 120, -120, 5, -5}[r.IntN(6)]
	return one(Strike{
		Params: fmt.Sprintf("%s by %+d s", n.Name(), offset), Effect: history.Effect{Clock: names(n)},
		inject:  func(context.Context) error { return setClock(n, offset) },
		confirm: func(ctx context.Context) error { return clockIs(ctx, n, offset) },
		heal:    func(context.Context) error { return setClock(n, 0) },
		healed: func(ctx context.Context) error {
			if !n.Running() {
				return nil
			}
			return clockIs(ctx, n, 0)
		},
	})
}

func clockFile(n *cluster.Node) string { return filepath.Join(filepath.Dir(n.DataDir()), "clock") }

func setClock(n *cluster.Node, offset int) error {
	return os.WriteFile(clockFile(n), []byte(strconv.Itoa(offset)), 0o600)
}

// clockIs waits until the server says that its clock is off by so many seconds.
func clockIs(ctx context.Context, n *cluster.Node, offset int) error {
	_, err := cluster.Eventually(ctx, 2*time.Second, "the clock of "+n.Name()+" is set", func(context.Context) error {
		b, err := os.ReadFile(clockFile(n) + ".seen")
		if err == nil && strings.TrimSpace(string(b)) != strconv.Itoa(offset) {
			err = fmt.Errorf("it is off by %s s", b)
		}
		return err
	})
	return err
}
