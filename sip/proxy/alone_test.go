package proxy

import (
	"hash/maphash"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

var phoneAt = netip.MustParseAddrPort("127.0.0.1:5999")

// configuration is a machine that commands are applied to.
type configuration struct {
	t       *testing.T
	machine *fsm.Machine
	index   uint64
}

func newConfiguration(t *testing.T) *configuration {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	w := &configuration{t: t, machine: m}
	w.apply(&peerpb.Command{Version: 1, NewEpoch: "e1", Level: fsm.Program().Known})
	return w
}

func (w *configuration) apply(c *peerpb.Command) {
	w.t.Helper()
	for _, m := range c.GetMutations() {
		if n := m.GetPutNode(); n != nil {
			n.FeatureLevel = fsm.Program().Known
		}
	}
	data, err := proto.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.index++
	if res := w.machine.Apply(&raft.Log{Index: w.index, Type: raft.LogCommand, Data: data}).(fsm.Result); res.Err != nil {
		w.t.Fatal(res.Err)
	}
}

func (w *configuration) put(d *configpb.DN) {
	w.t.Helper()
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutDn{PutDn: d}}}})
}

// newAlone is a proxy without a wire.
func newAlone(t *testing.T) *Proxy {
	t.Helper()
	store, err := location.Open(location.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return New(Config{Machine: newConfiguration(t).machine, Table: dn.New(dn.Config{Self: "n1", Incarnation: 1}), Store: store, Stats: &answer.Counters{}, TagSeed: maphash.MakeSeed(),
		Log: slog.New(slog.DiscardHandler), Now: time.Now, RouteKeys: []route.Key{{ID: 1, Secret: []byte("secret")}}, LeadsHere: func(message.URI) bool { return false },
		RecordRoutes: location.NewHosts([...]string{"n1.test:5060", "n1.test:5061", "n1.test:5062", "n1.test:5063", "n1.test:5064"})})
}
