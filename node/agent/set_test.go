package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func TestRegistry_SetAgentIsDoneByTheKeeper(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	done := a.does(t, "1000", Change{Request: login, AgentID: "7", Mode: 3, Reasons: []dn.KeyValue{{Key: "b"}, {Key: "a"}}})
	s, _ := b.table.Get("1000")
	if !s.Agent.Equal(done.Agent) || s.Version != done.Version || s.Agent.State != dn.LoggedIn || s.Agent.Mode != 3 || s.Agent.Reasons[0].Key != "a" {
		t.Errorf("answered %+v, kept %+v", done, s)
	}
	waitFor(t, "a hears it", func() bool {
		s, _ := a.table.Get("1000")
		return s.Version == done.Version && s.Agent.Equal(done.Agent)
	})
	if _, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "8"}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
		t.Errorf("another login: %v", err)
	}
}

func TestRegistry_SetAgentRefuses(t *testing.T) {
	a := newNode(t, "a", twoNodes(t))
	for name, c := range map[string]struct {
		n      dn.Number
		change Change
		code   tlibpb.ErrorCode
	}{
		"not configured":         {"77", Change{Request: login, AgentID: "7"}, tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED},
		"a routing point":        {"9000", Change{Request: login, AgentID: "7"}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"a bad mode":             {"1000", Change{Request: ready, Mode: 9}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"nobody registered":      {"1000", Change{Request: login, AgentID: "7"}, tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"no number but an essay": {dn.Number(strings.Repeat("1", 5000)), Change{Request: logout}, tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED},
	} {
		if _, err := a.agents.SetAgent(t.Context(), c.n, c.change); codeOf(t, err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
}

func TestRegistry_AgentChangesWhileTheDNIsOutOfService(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	r := b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	b.table.End("1000", r.ClaimTime, dn.Unregistered)
	if done := a.does(t, "1000", Change{Request: notReady}); done.Agent.State != dn.NotReady {
		t.Errorf("not ready: %+v", done.Agent)
	}
	a.does(t, "1000", Change{Request: logout})
	if _, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "7"}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE {
		t.Errorf("login: %v", err)
	}
}

func TestRegistry_KeeperThatCannotBeHeardIsNotAsked(t *testing.T) {
	a, b := newNode(t, "a", twoNodes(t)), newNode(t, "b", twoNodes(t))
	b.table.Register("1000", dn.Registered)
	cut := a.follow(t, b)
	a.sees(t, "1000", "b")
	cut()
	for _, err := range []error{
		func() error {
			_, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: logout})
			return err
		}(),
		a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r", Duration: time.Second}),
	} {
		if codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE || !strings.Contains(err.Error(), "its owner n-b can't be heard") {
			t.Errorf("got %v", err)
		}
	}
}

// b does not keep the DN any more when the request arrives: it went to a.
// The DN went on to a node that only its last owner hears.
func TestRegistry_LastOwnerIsNotAsked(t *testing.T) {
	view := twoNodes(t)
	a, b := newNode(t, "a", view), newNode(t, "b", view)
	b.table.Register("1000", dn.Registered)
	b.does(t, "1000", Change{Request: login, AgentID: "7"})
	a.follow(t, b)
	c := newNode(t, "c", view)
	c.table.Register("1000", dn.Registered)
	b.follow(t, c)
	waitFor(t, "a sees it out of service", func() bool { s, _ := a.table.Get("1000"); return s.State == dn.OOS })
	if s, _ := a.table.Get("1000"); s.Agent == nil || s.Agent.ID != "7" || s.Keeper != "b" {
		t.Errorf("a shows %+v", s)
	}
	if _, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: ready}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE {
		t.Errorf("asked for a DN that is elsewhere: %v", err)
	}
	if s := a.table.Register("1000", dn.Registered); s.Agent == nil || s.Agent.ID != "7" {
		t.Errorf("a took over %+v", s)
	}
}

func TestRegistry_FollowsADNThatMovesMeanwhile(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	var once sync.Once
	move := func(context.Context) {
		once.Do(func() {
			a.table.Register("1000", dn.Registered)
			b.sees(t, "1000", "a")
		})
	}
	b.before.Store(&move)
	done := a.does(t, "1000", Change{Request: login, AgentID: "7"})
	if done.Version.Claim.Node != "a" {
		t.Errorf("done by %s", done.Version.Claim.Node)
	}
}

// What this node hears lags behind: b says that it has not the DN, and only then
// the word of the new owner arrives.
func TestRegistry_WaitsForTheTableAfterAMove(t *testing.T) {
	view := twoNodes(t)
	a, b := pair(t, view)
	c := newNode(t, "c", view)
	c.serve(t, a)
	a.follow(t, c)
	b.follow(t, c)
	b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	a.late.Lock()
	c.table.Register("1000", dn.Registered)
	b.sees(t, "1000", "c")
	asked := make(chan struct{}, maxTries)
	ask := func(context.Context) { asked <- struct{}{} }
	b.before.Store(&ask)
	result := make(chan error, 1)
	go func() {
		_, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "7"})
		result <- err
	}()
	patience.Receive(t, "the request at the other node", asked)
	a.late.Unlock()
	if err := patience.Receive(t, "the answer to the login", result); err != nil {
		t.Error(err)
	}
}

func TestRegistry_GivesUpOnADNThatIsNowhere(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	asked := 0
	a.dials["b"] = func() (grpc.ClientConnInterface, error) {
		asked++
		return answering{status.Error(codes.FailedPrecondition, "not here")}, nil
	}
	_, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "7"})
	if codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE || asked != maxTries {
		t.Errorf("after %d tries: %v", asked, err)
	}
}

// answering is a connection on which every request gets the same error.
type answering struct{ err error }

func (a answering) Invoke(context.Context, string, any, any, ...grpc.CallOption) error { return a.err }

func (a answering) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, a.err
}

func TestRegistry_FaultsOfTheWayToTheKeeper(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	for name, c := range map[string]struct {
		dialed, answer error
		code           tlibpb.ErrorCode
	}{
		"no connection":       {dialed: errors.New("not on the roster"), code: tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"never sent":          {answer: fmt.Errorf("%w: refused", errNotSent), code: tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"broke on the way":    {answer: status.Error(codes.Unavailable, "reset"), code: tlibpb.ErrorCode_ERROR_CODE_TIMEOUT},
		"timed out":           {answer: status.Error(codes.DeadlineExceeded, "late"), code: tlibpb.ErrorCode_ERROR_CODE_TIMEOUT},
		"failed inside":       {answer: status.Error(codes.Internal, "panic"), code: tlibpb.ErrorCode_ERROR_CODE_TIMEOUT},
		"an older version":    {answer: status.Error(codes.Unimplemented, "no Agents"), code: tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION},
		"refused at the gRPC": {answer: status.Error(codes.InvalidArgument, "bad"), code: tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"an empty answer":     {code: tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR},
	} {
		a.dials["b"] = func() (grpc.ClientConnInterface, error) { return answering{c.answer}, c.dialed }
		if _, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "7"}); codeOf(t, err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
}

// The keeper takes the request and is silent: nobody knows what it did.
func TestRegistry_SilentKeeperTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, twoNodes(t))
		b.table.Register("1000", dn.Registered)
		a.sees(t, "1000", "b")
		over := make(chan struct{})
		defer close(over)
		hang := func(context.Context) { patience.Receive(t, "the end of the call", over) }
		b.before.Store(&hang)
		began := time.Now()
		_, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "7"})
		if codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_TIMEOUT || time.Since(began) > 2*AnswerTimeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.agents.SetAgent(ctx, "1000", Change{Request: logout}); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who left: %v", err)
		}
	})
}

func TestRegistry_UnreachableKeeperWasNotAsked(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	if err := b.ln.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "7"})
	if codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE || !strings.Contains(err.Error(), "reached") {
		t.Errorf("got %v", err)
	}
}

func TestServer_ChecksEveryField(t *testing.T) {
	a := newNode(t, "a", twoNodes(t))
	a.table.Register("1000", dn.Registered)
	s := a.agents.Server()
	many := make([]*peerpb.KeyValue, 5000)
	for i := range many {
		many[i] = &peerpb.KeyValue{Key: fmt.Sprint(i)}
	}
	for name, p := range map[string]*peerpb.SetAgentRequest{
		"no request": {Dn: "1000"}, "unknown request": {Dn: "1000", Request: 77}, "no id": {Dn: "1000", Request: login},
		"long id": {Dn: "1000", Request: login, AgentId: strings.Repeat("x", 65)}, "mode": {Dn: "1000", Request: login, AgentId: "7", WorkMode: 256},
		"reasons": {Dn: "1000", Request: login, AgentId: "7", Reasons: many}, "kind": {Dn: "9000", Request: login, AgentId: "7"},
		"no DN": {Dn: "55", Request: login, AgentId: "7"},
	} {
		if r, err := s.SetAgent(t.Context(), p); err != nil || r.GetErrorCode() == 0 || r.GetErrorMessage() == "" {
			t.Errorf("%s: %v %v", name, r, err)
		}
	}
	for name, p := range map[string]*peerpb.ReserveRequest{
		"no holder": {Dn: "1000", DurationMs: 1}, "long holder": {Dn: "1000", Holder: strings.Repeat("x", 129)}, "no UTF-8": {Dn: "1000", Holder: "\xff"},
		"long": {Dn: "1000", Holder: "r", DurationMs: 3_600_001}, "very long": {Dn: "1000", Holder: "r", DurationMs: 1<<32 - 1}, "kind": {Dn: "9000", Holder: "r"},
	} {
		if r, err := s.Reserve(t.Context(), p); err != nil || r.GetErrorCode() == 0 || r.GetErrorMessage() == "" {
			t.Errorf("%s: %v %v", name, r, err)
		}
	}
	_, bad := s.SetAgent(t.Context(), &peerpb.SetAgentRequest{Dn: "no number", Request: logout})
	_, elsewhere := s.Reserve(t.Context(), &peerpb.ReserveRequest{Dn: "1001", Holder: "r", DurationMs: 1})
	if status.Code(bad) != codes.InvalidArgument || status.Code(elsewhere) != codes.FailedPrecondition {
		t.Errorf("got %v and %v", bad, elsewhere)
	}
}

// Two log in at once, one of them through the other node: one of them is in.
func TestRegistry_OneOfManyLogins(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[tlibpb.ErrorCode]int{}
	for i := range 20 {
		wg.Go(func() {
			_, err := []*node{a, b}[i%2].agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: fmt.Sprint(i)})
			mu.Lock()
			defer mu.Unlock()
			codes[codeOf(t, err)]++
		})
	}
	patience.Done(t, "all logins are answered", wg.Wait)
	if codes[0] != 1 || codes[tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED] != 19 {
		t.Errorf("outcomes: %v", codes)
	}
}
