package api

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/scale"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/routing"
)

// office is a node with many DNs: all registered, half at a peer, fifty in a group.
type office struct {
	machine *fsm.Machine
	// now is what the configuration has become since: without the disk, whose noise would
	// hide what is measured.
	now          *fsm.View
	availability *Availability
	cluster      *Cluster
	table        *dn.Table
	last         string
}

const teamSize = 50

func newOffice(t *testing.T, n int) *office {
	o := &office{last: fmt.Sprintf("1%07d", n-1), machine: newMachine(t)}
	o.configure(t, n)
	o.table = dn.New(dn.Config{Self: selfID, Incarnation: 7, Configured: func(n dn.Number) (dn.Class, []string) {
		config := o.view().DN(string(n))
		return dnview.Class(config), config.GetGroups()
	}})
	peer, err := o.table.Sync(peerID, 1, false)
	var records []dn.Record
	for i := range n {
		number := fmt.Sprintf("1%07d", i)
		if i%2 == 0 {
			o.table.Register(dn.Number(number), dn.Registered)
		} else {
			records = append(records, inService(number))
		}
	}
	if err == nil {
		_, err = peer.Apply(records, 0)
	}
	if err == nil {
		err = peer.Synced(1)
	}
	if err != nil || !o.table.SetHeard(peerID, true) {
		t.Fatal("the peer is not heard: ", err)
	}
	o.availability = NewAvailability(AvailabilityConfig{Table: o.table, View: o.view, Inquire: func(context.Context, numbering.Caller, string) (routing.Inquiry, error) {
		return routing.Inquiry{}, nil
	}})
	o.cluster = NewCluster(ClusterConfig{
		Table: o.table, Calls: func(dn.Node) int { return 0 }, View: o.view, Observer: reported{quorum: true}, Proposer: o, ClusterID: "c1", Version: "v1", Started: time.Unix(50, 0),
	})
	return o
}

func (o *office) view() *fsm.View { return o.now }

// Propose and ReadIndex are the configuration plane, of one node without Raft.
func (o *office) Propose(_ context.Context, c *peerpb.Command) (uint64, error) {
	next, err := o.now.With(c.GetMutations())
	if err != nil {
		return 0, err
	}
	o.now = next
	return next.Index(), nil
}

func (o *office) ReadIndex(context.Context) error { return nil }

func newMachine(t *testing.T) *fsm.Machine {
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// configure takes as many commands whatever the number of DNs.
func (o *office) configure(t *testing.T, n int) {
	t.Helper()
	ring := &configpb.Keyring{Primary: 1, Keys: []*configpb.Key{ringKey(1)}}
	all := []*configpb.Mutation{
		{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: "example.com"}}},
		keyed(selfID, "sip1"), keyed(peerID, "sip2"), keyed("sip3-id", "sip3"), putGroup("sales"), putGroup("team"), putGroup("nobody"),
	}
	for i := range n {
		d := sipDN(fmt.Sprintf("1%07d", i))
		if i%(n/teamSize) == 0 {
			d.Groups = []string{"team"}
		}
		all = append(all, putDN(d))
	}
	const commands = 128
	o.apply(t, &peerpb.Command{Version: fsm.Version, NewEpoch: "e"})
	for some := range slices.Chunk(all, (len(all)+commands-1)/commands) {
		o.apply(t, &peerpb.Command{Version: fsm.Version, Mutations: some})
	}
	o.apply(t, &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutSecurity{PutSecurity: &configpb.Security{
		Authorities: []*configpb.Authority{{Certificate: []byte("first"), SealedKey: []byte("key")}}, Gossip: ring, Routes: proto.CloneOf(ring),
	}}}}})
}

// watched reads the beginning of a watch, which has so many rows.
func watched(t *testing.T, f *tcpb.Filter, rows int) func(o *office) (int, error) {
	return func(o *office) (found int, err error) {
		w, err := o.availability.newWatch(&tcpb.WatchRequest{Filter: f}, nil)
		for over := false; err == nil && !over; {
			var items []dn.Item
			if items, err = w.source.Next(t.Context(), nil); err != nil {
				break
			}
			over = items[len(items)-1].Kind == feed.EndOfSnapshot
			for _, e := range items {
				found += boolean(e.Kind == feed.Row && w.filter.judge(&e.Status, &nodeNames{view: o.view()}))
			}
		}
		return found / rows, err
	}
}

// keyed is a node with a key of its own.
func keyed(id, name string) *configpb.Mutation {
	m := putNode(id, name, "dc1")
	m.GetPutNode().KeySha256 = []string{strings.Repeat("0", 64-len(id)) + strings.Map(func(r rune) rune { return '0' + r%10 }, id)}
	return m
}

func (o *office) apply(t *testing.T, c *peerpb.Command) {
	t.Helper()
	if r := o.machine.ApplyCommand(c); r.Err != nil {
		t.Fatal(r.Err)
	}
	o.now = o.machine.View()
}

// measureReads measures what the answers are made of.
func measureReads(t *testing.T, few, many *office) {
	for what, do := range map[string]func(o *office) (found int, err error){
		"status": func(o *office) (int, error) {
			r, err := o.cluster.Status(t.Context(), &tcpb.StatusRequest{})
			return boolean(r.GetDns().GetInService() == r.GetDns().GetTotal()), err
		},
		"a DN": func(o *office) (int, error) {
			_, err := o.availability.GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: o.last})
			return 1, err
		},
		"a page": func(o *office) (int, error) {
			r, err := o.availability.ListDNs(t.Context(), &tcpb.ListDNsRequest{PageSize: 10})
			return len(r.GetDns()) / 10, err
		},
		"a watch of a group":  watched(t, &tcpb.Filter{Group: "team"}, teamSize),
		"a watch of a prefix": watched(t, &tcpb.Filter{Prefix: "1000000"}, 10),
		"the DNs of a prefix": func(o *office) (int, error) {
			r, err := o.availability.ListDNs(t.Context(), &tcpb.ListDNsRequest{Filter: &tcpb.Filter{Prefix: o.last}})
			return len(r.GetDns()), err
		},
		"the routable DNs of a group": func(o *office) (int, error) {
			r, err := o.availability.ListRoutable(t.Context(), &tcpb.ListRoutableRequest{Filter: &tcpb.Filter{Group: "team"}})
			return len(r.GetDns()) / teamSize, err
		},
		"the routable DNs of nobody's group": func(o *office) (int, error) {
			r, err := o.availability.ListRoutable(t.Context(), &tcpb.ListRoutableRequest{Filter: &tcpb.Filter{Group: "nobody"}})
			return 1 + len(r.GetDns()), err
		},
		"a DN written": func(o *office) (int, error) {
			next, err := o.view().With([]*configpb.Mutation{putDN(sipDN(o.last, "team"))})
			return boolean(next != o.view()), err
		},
		"a group deleted": func(o *office) (int, error) {
			next, err := o.view().With([]*configpb.Mutation{{Op: &configpb.Mutation_DeleteGroup{DeleteGroup: "nobody"}}})
			return boolean(next != o.view()), err
		},
		"a new DN": func(o *office) (int, error) {
			r := o.table.Register("20", dn.Registered)
			o.table.Remove("20", dn.Deleted)
			return boolean(r.State == dn.InSrv), nil
		},
	} {
		run := func(o *office) func() {
			return func() {
				if found, err := do(o); found != 1 || err != nil {
					t.Fatalf("%s: %d found, %v", what, found, err)
				}
			}
		}
		scale.Flat(t, what, run(few), run(many))
	}
}

func boolean(ok bool) int {
	if ok {
		return 1
	}
	return 0
}
