package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const testHA1 = "0123456789abcdef0123456789abcdef"

// lone is a configuration plane of one node without Raft: it applies at once.
type lone struct {
	m       *fsm.Machine
	mu      sync.Mutex
	entries []int // mutations of each
	fail    error
	after   int // entries until fail
}

func (l *lone) Propose(_ context.Context, c *peerpb.Command) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil && len(l.entries) >= l.after {
		return 0, l.fail
	}
	if size := proto.Size(c); size > MaxWriteBytes && len(c.GetMutations()[0].GetRestore()) == 0 {
		return 0, fmt.Errorf("an entry of %d bytes", size)
	}
	l.entries = append(l.entries, len(c.GetMutations()))
	r := l.m.ApplyCommand(c)
	if r.Err != nil {
		return 0, fmt.Errorf("%w: %w", fsm.ErrRejected, r.Err)
	}
	return r.Index, nil
}

func (l *lone) ReadIndex(context.Context) error {
	if l.after > 0 {
		return nil
	}
	return l.fail
}

func configuration(t *testing.T) (*lone, configpb.ConfigurationClient) {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	l := &lone{m: m}
	first := &peerpb.Command{Version: fsm.Version, NewEpoch: "e", Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: "example.com"}}},
		{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "10.0.0.1:7002"}}},
	}}
	if _, err := l.Propose(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	l.entries = nil
	t.Cleanup(func() { _ = m.Close() })
	conn := serve(t, func(r grpc.ServiceRegistrar) { configpb.RegisterConfigurationServer(r, NewConfiguration(m.View, l)) })
	return l, configpb.NewConfigurationClient(conn)
}

func putPhone(number string, groups ...string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: testHA1, Groups: groups}}}
}

func deleteGroup(name string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_DeleteGroup{DeleteGroup: name}}
}

func TestConfiguration_WriteAndGetDN(t *testing.T) {
	_, c := configuration(t)
	w, err := c.Write(t.Context(), &configpb.WriteRequest{Mutations: []*configpb.Mutation{putPhone("1000")}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.GetDN(t.Context(), &configpb.GetDNRequest{Number: "1000", Linearizable: true})
	if err != nil || r.GetDn().GetRevision() != w.GetRevision() || r.GetDn().GetHa1() != "" {
		t.Fatal(r, err)
	}
	o, err := c.GetOptions(t.Context(), &configpb.GetOptionsRequest{})
	if err != nil || o.GetOptions().GetRealm() != "example.com" || o.GetOptions().GetMaxContacts() != 10 {
		t.Fatal(o, err)
	}
	n, err := c.ListNodes(t.Context(), &configpb.ListNodesRequest{})
	if err != nil || len(n.GetNodes()) != 1 {
		t.Fatal(n, err)
	}
}

func TestConfiguration_Errors(t *testing.T) {
	_, c := configuration(t)
	zero := uint64(0)
	if _, err := c.Write(t.Context(), &configpb.WriteRequest{Mutations: []*configpb.Mutation{putPhone("1000")}}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		ms   []*configpb.Mutation
		code codes.Code
		text string
	}{
		{"nothing", nil, codes.InvalidArgument, "no mutation"},
		{"too many", slices.Repeat([]*configpb.Mutation{putPhone("1")}, MaxWrite+1), codes.InvalidArgument, "use Import"},
		{"wrong", []*configpb.Mutation{putPhone("1"), putPhone("1 2")}, codes.InvalidArgument, "1 2"},
		{"not there", []*configpb.Mutation{deleteGroup("x")}, codes.NotFound, `group "x"`},
		{"revision", []*configpb.Mutation{{Op: putPhone("1000").Op, IfRevision: &zero}}, codes.FailedPrecondition, "revision"},
		{"name taken", []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "id-b", Name: "a", ClusterAddr: "h:1"}}}}, codes.AlreadyExists, "called a"},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, err := c.Write(t.Context(), &configpb.WriteRequest{Mutations: x.ms})
			if s := status.Convert(err); s.Code() != x.code || !strings.Contains(s.Message(), x.text) || strings.HasPrefix(s.Message(), "not applied") {
				t.Fatal(err)
			}
		})
	}
	if _, err := c.GetDN(t.Context(), &configpb.GetDNRequest{Number: "404"}); status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
	if _, err := c.GetDN(t.Context(), &configpb.GetDNRequest{Number: "4 4"}); status.Code(err) != codes.InvalidArgument {
		t.Fatal(err)
	}
}

func TestStatusError(t *testing.T) {
	if err := StatusError(nil); err != nil {
		t.Error(err)
	}
	for _, x := range []struct {
		err  error
		code codes.Code
		text string
		want outcome.Info
	}{
		{fsm.ErrNoQuorum, codes.Unavailable, "not applied", outcome.Info{Reason: outcome.NotApplied}},
		{fmt.Errorf("writing: %w", fsm.ErrUnknownOutcome), codes.Unavailable, "unknown outcome", outcome.Info{Reason: outcome.Unknown}},
		{fmt.Errorf("%w: disk full", fsm.ErrPlaneFailed), codes.Unavailable, "disk full", outcome.Info{Reason: outcome.NotApplied}},
		{fmt.Errorf("%w: %w", fsm.ErrRejected, &fsm.Rejection{Mutation: 2, Kind: fsm.ErrInvalid, Text: "DN 1 2"}), codes.InvalidArgument, "DN 1 2", outcome.Info{Reason: outcome.NotApplied, Mutation: 2}},
		{fmt.Errorf("%w: %w", fsm.ErrUnknownOutcome, &fsm.Rejection{Mutation: 2, Kind: fsm.ErrInvalid}), codes.Unavailable, "unknown outcome", outcome.Info{Reason: outcome.Unknown}},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "", outcome.Info{Reason: outcome.Unknown}},
		{status.Error(codes.NotFound, "x"), codes.NotFound, "x", outcome.Info{Reason: outcome.NotApplied}},
		{outcome.Info{Reason: outcome.Unknown}.Status(codes.NotFound, "x"), codes.NotFound, "x", outcome.Info{Reason: outcome.Unknown}},
		{errors.New("odd"), codes.Internal, "odd", outcome.Info{Reason: outcome.Unknown}},
	} {
		err := StatusError(x.err)
		if s := status.Convert(err); s.Code() != x.code || !strings.Contains(s.Message(), x.text) {
			t.Errorf("%v became %v", x.err, s)
		}
		if got, said := outcome.Said(err); !said || got != x.want {
			t.Errorf("%v became %+v, want %+v", x.err, got, x.want)
		}
	}
}

// Whatever a handler answers, the client hears what became of its request.
func TestOutcomes_AreOfEveryError(t *testing.T) {
	for name, x := range map[string]struct {
		fails error
		want  outcome.Reason
	}{
		"a plain status": {status.Error(codes.ResourceExhausted, "full"), outcome.NotApplied},
		"a fault":        {errors.New("odd"), outcome.Unknown},
		"a sentinel":     {fsm.ErrNoQuorum, outcome.NotApplied},
	} {
		t.Run(name, func(t *testing.T) {
			conn := serve(t, func(r grpc.ServiceRegistrar) { tcpb.RegisterClusterServer(r, failing{err: x.fails}) }, Outcomes()...)
			_, err := tcpb.NewClusterClient(conn).Status(t.Context(), &tcpb.StatusRequest{})
			if got, said := outcome.Said(err); !said || got.Reason != x.want {
				t.Errorf("a unary call: %v, %+v", err, got)
			}
			conn = serve(t, func(r grpc.ServiceRegistrar) { tcpb.RegisterAvailabilityServer(r, failing{err: x.fails}) }, Outcomes()...)
			stream, err := tcpb.NewAvailabilityClient(conn).Watch(t.Context(), &tcpb.WatchRequest{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = stream.Recv()
			if got, said := outcome.Said(err); !said || got.Reason != x.want {
				t.Errorf("a stream: %v, %+v", err, got)
			}
		})
	}
}

// failing answers with an error.
type failing struct {
	tcpb.UnimplementedClusterServer
	tcpb.UnimplementedAvailabilityServer
	err error
}

func (f failing) Status(context.Context, *tcpb.StatusRequest) (*tcpb.StatusResponse, error) {
	return nil, f.err
}
func (f failing) Watch(*tcpb.WatchRequest, grpc.ServerStreamingServer[tcpb.WatchResponse]) error {
	return f.err
}

// imported streams the mutations in messages of 700 and returns the progress.
func imported(t *testing.T, c configpb.ConfigurationClient, ms []*configpb.Mutation) ([]*configpb.ImportResponse, error) {
	t.Helper()
	s, err := c.Import(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range slices.Chunk(ms, 700) {
		if err := s.Send(&configpb.ImportRequest{Mutations: chunk}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var progress []*configpb.ImportResponse
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return progress, nil
		}
		if err != nil {
			return progress, err
		}
		progress = append(progress, r)
	}
}

func TestConfiguration_ImportIsCutIntoEntriesAndReportsProgress(t *testing.T) {
	l, c := configuration(t)
	var ms []*configpb.Mutation
	for i := range 2300 {
		ms = append(ms, putPhone(fmt.Sprint(1000+i), "late"))
	}
	ms = append(ms, putGroup("late")) // groups go first wherever they stand
	p, err := imported(t, c, ms)
	if err != nil {
		t.Fatal(err)
	}
	if last := p[len(p)-1]; last.GetWritten() != 2301 || last.GetTotal() != 2301 || len(p) != len(l.entries) {
		t.Fatal(p)
	}
	if l.m.View().NumDNs() != 2300 || slices.Max(l.entries) > MaxWrite {
		t.Fatal(l.entries)
	}
	if _, err := imported(t, c, nil); status.Code(err) != codes.InvalidArgument {
		t.Fatal(err)
	}
}

func TestConfiguration_ImportOfOneWrongMutationWritesNothing(t *testing.T) {
	l, c := configuration(t)
	var ms []*configpb.Mutation
	for i := range 1500 {
		ms = append(ms, putPhone(fmt.Sprint(1000+i)))
	}
	ms[1234] = putPhone("1234", "nowhere")
	ms[0] = putGroup("somewhere")
	_, err := imported(t, c, ms)
	if s := status.Convert(err); s.Code() != codes.InvalidArgument || outcome.Of(err) != (outcome.Info{Reason: outcome.NotApplied, Mutation: 1235}) {
		t.Fatal(err)
	}
	if len(l.entries) != 0 {
		t.Fatal("something was written")
	}
}

func TestConfiguration_ImportThatStopsSaysHowFarItCame(t *testing.T) {
	l, c := configuration(t)
	var ms []*configpb.Mutation
	for i := range 1200 {
		ms = append(ms, putPhone(fmt.Sprint(1000+i)))
	}
	l.fail = fsm.ErrNoQuorum
	if _, err := imported(t, c, ms); status.Code(err) != codes.Unavailable || outcome.Of(err) != (outcome.Info{Reason: outcome.NotApplied}) || len(l.entries) != 0 {
		t.Fatal(err)
	}
	ms = append(ms, putGroup("g")) // written first: a number of the input is not that of the writing
	for name, x := range map[string]struct {
		fail error
		code codes.Code
		want outcome.Info
	}{
		"no quorum": {fsm.ErrNoQuorum, codes.Unavailable, outcome.Info{Reason: outcome.PartlyApplied, Written: 500}},
		"unknown":   {fsm.ErrUnknownOutcome, codes.Unavailable, outcome.Info{Reason: outcome.Unknown, Written: 500}},
		"rejected": {fmt.Errorf("%w: %w", fsm.ErrRejected, &fsm.Rejection{Mutation: 3, Kind: fsm.ErrConflict, Text: "somebody was faster"}),
			codes.FailedPrecondition, outcome.Info{Reason: outcome.PartlyApplied, Written: 500, Mutation: 502}},
	} {
		t.Run(name, func(t *testing.T) {
			l.entries, l.fail, l.after = nil, x.fail, 1
			p, err := imported(t, c, ms)
			if s := status.Convert(err); len(p) != 1 || s.Code() != x.code || outcome.Of(err) != x.want || !strings.HasPrefix(s.Message(), "after 500 of 1201 mutations were written: ") {
				t.Fatalf("%v, %+v", err, outcome.Of(err))
			}
		})
	}
}

func TestConfiguration_ExportCanBeImportedAgain(t *testing.T) {
	l, c := configuration(t)
	ms := []*configpb.Mutation{putGroup("g")}
	for i := range 1200 {
		ms = append(ms, putPhone(fmt.Sprint(1000+i), "g"))
	}
	if _, err := imported(t, c, ms); err != nil {
		t.Fatal(err)
	}
	for _, secrets := range []bool{true, false} {
		s, err := c.Export(t.Context(), &configpb.ExportRequest{Secrets: secrets, Linearizable: true})
		if err != nil {
			t.Fatal(err)
		}
		var numbers []string
		groups, nodes, options := 0, 0, 0
		for {
			r, err := s.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			groups, nodes = groups+len(r.GetGroups()), nodes+len(r.GetNodes())
			if r.GetOptions() != nil {
				options++
			}
			for _, d := range r.GetDns() {
				numbers = append(numbers, d.GetNumber())
				if (d.GetHa1() == testHA1) != secrets {
					t.Fatal("ha1", d.GetHa1())
				}
			}
		}
		if groups != 1 || nodes != 1 || options != 1 || len(numbers) != 1200 || !slices.IsSorted(numbers) {
			t.Fatal(groups, nodes, options, len(numbers))
		}
	}
	if l.m.View().DN("1000").GetHa1() != testHA1 {
		t.Fatal("hiding the secret changed the configuration")
	}
}

// One unfinished import holds the place; a second one is told so.
func TestConfiguration_OneImportAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConfiguration(fsm.Empty, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Import(silence(ctx)) }()
		synctest.Wait()
		if err := c.Import(silence(ctx)); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a second import: %v", err)
		}
		cancel()
		if err := patience.Receive(t, "the end of the first import", ended); err == nil {
			t.Error("the first import ended well")
		}
		if err := c.Import(silence(ctx)); status.Code(err) == codes.ResourceExhausted {
			t.Errorf("its place is not free: %v", err)
		}
	})
}

// silent is an import whose client says nothing.
type silent struct {
	configpb.Configuration_ImportServer
	context func() context.Context
}

func (s silent) Context() context.Context { return s.context() }

func (s silent) Recv() (*configpb.ImportRequest, error) {
	<-s.Context().Done()
	return nil, s.Context().Err()
}

func silence(ctx context.Context) silent {
	return silent{context: func() context.Context { return ctx }}
}

func TestConfiguration_SilentImportEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		if _, err := receive(silence(ctx), NewConfiguration(nil, nil).limits); status.Code(err) != codes.DeadlineExceeded || time.Since(began) != importSilence {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// An import given up frees its place at once, whoever sees it first.
func TestConfiguration_ImportGivenUpEndsAtOnce(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			began := time.Now()
			if _, err := receive(silence(ctx), NewConfiguration(nil, nil).limits); err == nil || time.Since(began) != time.Second {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
		})
	}
}

// TestConfiguration_TellsNoSecretOfATrunk: neither what it has to prove nor what proves
// who the cluster is, but to who asks for secrets.
func TestConfiguration_TellsNoSecretOfATrunk(t *testing.T) {
	l, c := configuration(t)
	gw := &configpb.DN{Number: "gw", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
		Address: "192.0.2.1:5060", InboundAuth: &configpb.TrunkAuth{User: "they", Ha1: testHA1},
		OutboundRealm: "carrier", OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: testHA1, Sha256Ha1: testHA1 + testHA1},
	}}
	known := &configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "10.0.0.1:7002", FeatureLevel: 2}
	for _, m := range []*configpb.Mutation{
		{Op: &configpb.Mutation_PutNode{PutNode: known}}, {Op: &configpb.Mutation_PutLevel{PutLevel: 2}}, {Op: &configpb.Mutation_PutDn{PutDn: gw}},
	} {
		if _, err := l.Propose(t.Context(), &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{m}}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(d *configpb.DN, want string) {
		t.Helper()
		in, out := d.GetTrunk().GetInboundAuth(), d.GetTrunk().GetOutboundAuth()
		if in.GetUser() != "they" || out.GetUser() != "we" || in.GetHa1() != want || out.GetHa1() != want || out.GetSha256Ha1() != want+want {
			t.Errorf("%v, want digests %q", d, want)
		}
	}
	one, err := c.GetDN(t.Context(), &configpb.GetDNRequest{Number: "gw"})
	if err != nil {
		t.Fatal(err)
	}
	check(one.GetDn(), "")
	for secrets, want := range map[bool]string{true: testHA1, false: ""} {
		s, err := c.Export(t.Context(), &configpb.ExportRequest{Secrets: secrets})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Recv()
		if err != nil || len(r.GetDns()) != 1 {
			t.Fatal(r, err)
		}
		check(r.GetDns()[0], want)
	}
}
