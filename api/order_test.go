package api

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// recorder is a client of Watch that does something when it is sent a message.
type recorder struct {
	grpc.ServerStream
	ctx  context.Context //nolint:containedctx // a stream has one
	sent func(*tcpb.WatchResponse)
}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Send(m *tcpb.WatchResponse) error {
	r.sent(m)
	return nil
}

// What changes while a snapshot is on its way is in the snapshot: a client
// knows everything when it hears of the end.
func TestWatch_RowsComeBeforeTheEndOfTheirSnapshot(t *testing.T) {
	table := dn.New(dn.Config{Self: selfID, Incarnation: 7})
	const many = 2000
	claims := map[dn.Number]int64{}
	for i := range many {
		n := dn.Number(fmt.Sprint(10000 + i))
		claims[n] = table.Register(n, dn.Registered).ClaimTime
	}
	view := roster(t)
	service := NewAvailability(AvailabilityConfig{Table: table, View: func() *fsm.View { return view }})
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	known, changed, ended := map[string]tcpb.DNState{}, false, false
	_ = service.Watch(&tcpb.WatchRequest{}, &recorder{ctx: ctx, sent: func(m *tcpb.WatchResponse) {
		for _, e := range m.GetEvents().GetEvents() {
			known[e.GetDn()] = e.GetState()
			if ended {
				t.Errorf("%s was told behind the end of the snapshot: %v", e.GetDn(), e.GetState())
			}
		}
		if len(known) > 0 && !changed {
			changed = true
			table.End("10000", claims["10000"], dn.Unregistered) // its row was sent
			table.Register("00001", dn.Registered)               // its place is past
		}
		if m.GetEndOfSnapshot() != nil {
			ended = true
			cancel()
		}
	}})
	if !ended || len(known) != many+1 || known["10000"] != tcpb.DNState_DN_STATE_OOS || known["00001"] != tcpb.DNState_DN_STATE_IN_SRV {
		t.Errorf("ended %v, %d DNs, 10000 %v, 00001 %v", ended, len(known), known["10000"], known["00001"])
	}
}

// A watch resumes at the edges of what the node remembers: by the last change, by
// the end of a snapshot, by a heartbeat; one change more, and it begins anew.
func TestWatch_ResumesAtTheEdges(t *testing.T) {
	const size = 8
	for _, place := range []string{"snapshot", "change", "heartbeat"} {
		for _, behind := range []int{0, 1, size - 1, size, size + 1} {
			t.Run(fmt.Sprint(place, " ", behind), func(t *testing.T) {
				s := &site{table: dn.New(dn.Config{Self: selfID, Incarnation: 7, History: size}), view: roster(t)}
				conn := serve(t, func(r grpc.ServiceRegistrar) {
					tcpb.RegisterAvailabilityServer(r, NewAvailability(AvailabilityConfig{
						Table: s.table, View: func() *fsm.View { return s.view }, Heartbeat: 10 * time.Millisecond,
					}))
				})
				s.client = tcpb.NewAvailabilityClient(conn)
				s.table.Register("1", dn.Registered)
				seq := s.placeOf(t, place)
				want := []string{fmt.Sprintf("started sip1 resumed=%v", behind <= size)}
				for range 2 * max(0, behind-size) * size { // changes of one DN, and there are fewer DNs
					r, _ := s.table.Own("1")
					s.table.End("1", r.ClaimTime, dn.Expired)
					s.table.Register("1", dn.Registered)
				}
				for i := range min(behind, size) {
					n := fmt.Sprint("2", i)
					s.table.Register(dn.Number(n), dn.Registered)
					want = append(want, fmt.Sprintf("change %s IN_SRV sip1/dc1 REASON_REGISTERED", n))
				}
				again := s.watch(t, &tcpb.WatchRequest{ResumeCursor: feed.Cursor{Incarnation: 7, DNs: seq}.Bytes()})
				if behind > size {
					again.wants(want[0], "row 1 IN_SRV sip1/dc1 REASON_REGISTERED")
					return
				}
				again.wants(want...)
				s.table.Register("9", dn.Registered)
				again.wants("change 9 IN_SRV sip1/dc1 REASON_REGISTERED")
			})
		}
	}
}

// placeOf is the place in the stream that a client learns in that way.
func (s *site) placeOf(t *testing.T, from string) uint64 {
	t.Helper()
	r := s.watch(t, &tcpb.WatchRequest{})
	defer r.cancel()
	r.wants("started sip1 resumed=false", "row 1 IN_SRV sip1/dc1 REASON_REGISTERED", "end of snapshot")
	if from == "snapshot" {
		return r.seq
	}
	s.table.Register("3", dn.Registered)
	r.wants("change 3 IN_SRV sip1/dc1 REASON_REGISTERED")
	if from == "change" {
		return r.seq
	}
	for {
		m, err := r.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if h := m.GetHeartbeat(); h != nil {
			return h.GetSeq()
		}
	}
}

// racer has somebody else's write come first.
type racer struct {
	*applier
	first *configpb.Mutation
	// left is how often.
	left *int
}

func (r racer) Propose(ctx context.Context, c *peerpb.Command) (uint64, error) {
	if *r.left > 0 {
		*r.left--
		if _, err := r.applier.Propose(ctx, command([]*configpb.Mutation{r.first})); err != nil {
			return 0, err
		}
	}
	return r.applier.Propose(ctx, c)
}

// A node that has just joined again with other addresses keeps them when somebody drains it
// meanwhile, and is drained, unless it writes its entry each time.
func TestDrainNode_UndoesNobodysWrite(t *testing.T) {
	for times, want := range map[int]codes.Code{1: codes.OK, maxRewrites: codes.FailedPrecondition} {
		s := everyKind(t)
		moved := putNode(peerID, "sip2", "dc2")
		moved.GetPutNode().SipAddr = "192.0.2.7:5060"
		conn := serve(t, func(r grpc.ServiceRegistrar) {
			tcpb.RegisterClusterServer(r, NewCluster(ClusterConfig{
				Table: s.table, Calls: s.calls, View: func() *fsm.View { return s.view }, Wait: func(context.Context, uint64) error { return nil },
				Observer: reported{}, Proposer: racer{&applier{s: s}, moved, &times},
			}))
		})
		_, err := tcpb.NewClusterClient(conn).DrainNode(t.Context(), &tcpb.DrainNodeRequest{Name: "sip2"})
		if status.Code(err) != want || times != 0 {
			t.Errorf("draining a node that somebody changed: %v, %d times more", err, times)
		}
		if got := s.view.NodeByName("sip2"); got.GetSipAddr() != "192.0.2.7:5060" || got.GetDraining() != (want == codes.OK) {
			t.Errorf("it is %v", got)
		}
	}
}

// The order of an import's mutations doesn't matter, however many entries it makes.
func TestImport_GroupsComeFirstAndGoLast(t *testing.T) {
	l, c := configuration(t)
	if _, err := imported(t, c, []*configpb.Mutation{putGroup("old"), putPhone("1", "old")}); err != nil {
		t.Fatal(err)
	}
	ms := []*configpb.Mutation{deleteGroup("old")}
	for i := range 2 * MaxWrite {
		ms = append(ms, putPhone(fmt.Sprint(1000+i), "new"))
	}
	if _, err := imported(t, c, append(ms, putPhone("1", "new"), putGroup("new"))); err != nil {
		t.Fatal(err)
	}
	v := l.m.View()
	if v.Group("old") != nil || v.Group("new") == nil || !slices.Equal(v.DN("1").GetGroups(), []string{"new"}) {
		t.Errorf("old %v, new %v, DN 1 in %v", v.Group("old"), v.Group("new"), v.DN("1").GetGroups())
	}
}

// dripping is an import whose client sends a part now and then.
type dripping struct {
	configpb.Configuration_ImportServer
	ctx   context.Context //nolint:containedctx // a stream has one
	parts int
	pause time.Duration
}

func (d *dripping) Context() context.Context { return d.ctx }

func (d *dripping) Recv() (*configpb.ImportRequest, error) {
	if d.parts == 0 {
		return nil, io.EOF
	}
	d.parts--
	timer := time.NewTimer(d.pause)
	defer timer.Stop()
	<-timer.C
	return &configpb.ImportRequest{Mutations: []*configpb.Mutation{putGroup("g")}}, nil
}

// An import may take as long as it likes while it goes on.
func TestImport_ThatGoesOnIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dripping{ctx: t.Context(), parts: 20, pause: importSilence - time.Second}
		if all, err := receive(d, NewConfiguration(nil, nil).limits); err != nil || len(all) != 20 {
			t.Errorf("%d mutations: %v", len(all), err)
		}
	})
}

// A list can be read in pages of any size, with any filter, and each DN that
// passes is on one of them, also when the DN of a token is gone meanwhile.
func TestListDNs_TokensOutliveTheirDN(t *testing.T) {
	s := newSite(t)
	for i := range 7 {
		s.table.Register(dn.Number(fmt.Sprint(1000+i)), dn.Registered)
	}
	var got []string
	token := ""
	for {
		p, err := s.client.ListDNs(t.Context(), &tcpb.ListDNsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range p.GetDns() {
			got = append(got, d.GetDn())
		}
		if token = p.GetNextPageToken(); token == "" {
			break
		}
		s.table.Remove(dn.Number(token), dn.Deleted)
	}
	if want := "1000 1001 1002 1003 1004 1005 1006"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
