package api

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/scale"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/history"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/statistics"
)

// desk is an office with all services.
type desk struct {
	*office
	NodeKeys
	calls    *call.Table
	call     string
	services map[string]any
}

func newDesk(t *testing.T, n int) *desk {
	d := &desk{office: newOffice(t, n), calls: call.New(call.Config{Self: selfID, Incarnation: 1})}
	id, err := d.calls.Begin(call.Info{Caller: "1001", Type: call.Internal, ANI: "1001", DNIS: d.last})
	if err != nil || !d.calls.Ringing(id, dn.Number(d.last), selfID) {
		t.Fatal("no call rings: ", err)
	}
	d.call = string(id)
	wait := func(context.Context, uint64) error { return nil }
	d.services = map[string]any{
		"sipcluster.tc.v1.Availability":      d.availability,
		"sipcluster.tc.v1.Cluster":           d.cluster,
		"sipcluster.tc.v1.Diagnosis":         d.diagnosis(),
		"sipcluster.tc.v1.Statistics":        NewStatistics(d.fold(t), d.view),
		"sipcluster.config.v1.Configuration": NewConfiguration(d.view, d),
		"sipcluster.config.v1.Access":        NewAccess(AccessConfig{View: d.view, Writer: d, Wait: wait, Nodes: d}),
		"sipcluster.tc.v1.Calls": NewCalls(CallsConfig{
			Self: selfID, Table: d.calls, View: d.view,
			Trace: func(string) *tcpb.CallTrace { return &tcpb.CallTrace{} },
			Ask: func(context.Context, dn.Node, string) (*tcpb.CallTrace, time.Duration, error) {
				return &tcpb.CallTrace{}, 0, nil
			},
		}),
	}
	return d
}

func (d *desk) diagnosis() *Diagnosis {
	return NewDiagnosis(DiagnosisConfig{
		Table: d.table, View: d.view, Status: d.cluster.Status, History: history.New(history.Config{Self: selfID}),
		Bindings:  func(dn.Number) []*tcpb.DNBinding { return nil },
		Report:    func() []*tcpb.ReportFile { return nil },
		Ask:       func(context.Context, dn.Node, string, uint32) (*tcpb.DNView, error) { return &tcpb.DNView{}, nil },
		AskStatus: func(context.Context, dn.Node) (*tcpb.StatusResponse, error) { return &tcpb.StatusResponse{}, nil },
		AskReport: func(context.Context, dn.Node) ([]*tcpb.ReportFile, error) { return nil, nil },
		AskHistory: func(context.Context, dn.Node, *peerpb.HistoryRequest) (*tcpb.EventsPart, time.Duration, error) {
			return &tcpb.EventsPart{}, 0, nil
		},
	})
}

func (d *desk) fold(t *testing.T) *statistics.Fold {
	f := statistics.New(statistics.Config{Table: d.table, Calls: d.calls, Machine: d.machine})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		patience.Receive(t, "the end of the fold", done)
	})
	return f
}

// What Access asks of the node's keys.
func (d *desk) Rekey() (string, error)                                   { return "", nil }
func (d *desk) Distrust(context.Context, *configpb.Node) error           { return nil }
func (d *desk) Certificates(context.Context) []*configpb.NodeCertificate { return nil }
func (d *desk) NextKey(r *configpb.Keyring) *configpb.Key {
	return ringKey(uint32(len(r.GetKeys()) + 1))
}
func (d *desk) NextAuthority() (*configpb.Authority, error) {
	return &configpb.Authority{Certificate: []byte("next"), SealedKey: []byte("key")}, nil
}

// write is what a request needs to be there.
func (d *desk) write(m *configpb.Mutation) {
	if _, err := d.Propose(context.Background(), command([]*configpb.Mutation{m})); err != nil {
		panic(err)
	}
}

// asked is how a method is measured.
type asked struct {
	// requests are made for each time anew.
	requests func(d *desk) []proto.Message
	// answers are read of a stream.
	answers int
	// code of its error, where a client is refused behind all that costs something.
	code codes.Code
	// all is why what it costs follows from what there is: it is not measured.
	all string
}

func ask(m proto.Message) asked {
	return asked{requests: func(*desk) []proto.Message { return []proto.Message{m} }}
}

func askOf(m func(d *desk) proto.Message) asked {
	return asked{requests: func(d *desk) []proto.Message { return []proto.Message{m(d)} }}
}

// begins measures the first answers of a stream: the others cost as much each.
func (a asked) begins(answers int) asked {
	a.answers = answers
	return a
}

func (a asked) refused(c codes.Code) asked {
	a.code = c
	return a
}

var token = &configpb.Token{Id: "abcdefgh2345", Name: "t", Role: configpb.Role_ROLE_STAT, SecretSha256: strings.Repeat("ab", 32)}

// methods are those of all services for clients that answer from tables and configuration.
var methods = map[protoreflect.FullName]asked{
	"sipcluster.tc.v1.Availability.ListRoutable": ask(&tcpb.ListRoutableRequest{PageSize: 10}),
	"sipcluster.tc.v1.Availability.ListDNs":      ask(&tcpb.ListDNsRequest{PageSize: 10}),
	"sipcluster.tc.v1.Availability.GetDN":        askOf(func(d *desk) proto.Message { return &tcpb.GetDNStatusRequest{Dn: d.last} }),
	"sipcluster.tc.v1.Availability.Watch":        ask(&tcpb.WatchRequest{}).begins(2),
	"sipcluster.tc.v1.Availability.TestRoute":    askOf(func(d *desk) proto.Message { return &tcpb.TestRouteRequest{From: d.last, Called: d.last} }),
	"sipcluster.tc.v1.Calls.ListCalls":           ask(&tcpb.ListCallsRequest{}),
	"sipcluster.tc.v1.Calls.GetCall":             askOf(func(d *desk) proto.Message { return &tcpb.GetCallRequest{ConnId: d.call} }),
	"sipcluster.tc.v1.Calls.TraceCall":           askOf(func(d *desk) proto.Message { return &tcpb.TraceCallRequest{Call: d.call} }),
	"sipcluster.tc.v1.Cluster.Status":            ask(&tcpb.StatusRequest{}),
	"sipcluster.tc.v1.Cluster.RemoveNode":        ask(&tcpb.RemoveNodeRequest{Name: "sip9"}).refused(codes.NotFound),
	"sipcluster.tc.v1.Cluster.DrainNode": askOf(func(d *desk) proto.Message {
		return &tcpb.DrainNodeRequest{Name: "sip3", Undo: d.view().Node("sip3-id").GetDraining()}
	}),
	"sipcluster.tc.v1.Cluster.WatchNode":        ask(&tcpb.WatchNodeRequest{Name: "sip3"}).begins(1),
	"sipcluster.tc.v1.Diagnosis.ExplainDN":      askOf(func(d *desk) proto.Message { return &tcpb.ExplainDNRequest{Dn: d.last} }),
	"sipcluster.tc.v1.Diagnosis.Survey":         ask(&tcpb.SurveyRequest{}),
	"sipcluster.tc.v1.Diagnosis.ListEvents":     ask(&tcpb.ListEventsRequest{Limit: 10}),
	"sipcluster.tc.v1.Diagnosis.WatchEvents":    ask(&tcpb.WatchEventsRequest{}).begins(1),
	"sipcluster.tc.v1.Diagnosis.CollectReports": ask(&tcpb.CollectReportsRequest{}).begins(1),
	"sipcluster.tc.v1.Statistics.GetGroups":     ask(&tcpb.GetGroupsRequest{}),
	"sipcluster.tc.v1.Statistics.WatchGroups":   ask(&tcpb.WatchGroupsRequest{}).begins(1),
	"sipcluster.tc.v1.Statistics.ListWaiting":   ask(&tcpb.ListWaitingRequest{}),

	"sipcluster.config.v1.Configuration.Write": askOf(func(d *desk) proto.Message {
		return &configpb.WriteRequest{Mutations: []*configpb.Mutation{putDN(sipDN(d.last, "team"))}}
	}),
	"sipcluster.config.v1.Configuration.Import": askOf(func(d *desk) proto.Message {
		return &configpb.ImportRequest{Mutations: []*configpb.Mutation{putDN(sipDN(d.last, "team"))}}
	}).begins(1),
	"sipcluster.config.v1.Configuration.Export":     ask(&configpb.ExportRequest{}).begins(1),
	"sipcluster.config.v1.Configuration.Backup":     {all: "it is one file, whose length is told first"},
	"sipcluster.config.v1.Configuration.Restore":    {all: "it replaces everything"},
	"sipcluster.config.v1.Configuration.GetDN":      askOf(func(d *desk) proto.Message { return &configpb.GetDNRequest{Number: d.last, Linearizable: true} }),
	"sipcluster.config.v1.Configuration.GetOptions": ask(&configpb.GetOptionsRequest{}),
	"sipcluster.config.v1.Configuration.ListNodes":  ask(&configpb.ListNodesRequest{}),
	"sipcluster.config.v1.Access.CreateToken": askOf(func(d *desk) proto.Message {
		for _, t := range d.view().Tokens() { // no more of them each time
			d.write(&configpb.Mutation{Op: &configpb.Mutation_DeleteToken{DeleteToken: t.GetId()}})
		}
		return &configpb.CreateTokenRequest{Name: "other", Role: configpb.Role_ROLE_STAT}
	}),
	"sipcluster.config.v1.Access.RevokeToken": askOf(func(d *desk) proto.Message {
		d.write(&configpb.Mutation{Op: &configpb.Mutation_PutToken{PutToken: token}})
		return &configpb.RevokeTokenRequest{Id: token.Id}
	}),
	"sipcluster.config.v1.Access.ListTokens": ask(&configpb.ListTokensRequest{}),
	"sipcluster.config.v1.Access.WhoAmI":     ask(&configpb.WhoAmIRequest{}),
	"sipcluster.config.v1.Access.CreateInvite": askOf(func(d *desk) proto.Message {
		for _, i := range d.view().Invites() {
			d.write(&configpb.Mutation{Op: &configpb.Mutation_DeleteInvite{DeleteInvite: i.GetId()}})
		}
		return &configpb.CreateInviteRequest{NodeName: "sip4"}
	}),
	"sipcluster.config.v1.Access.ListInvites": ask(&configpb.ListInvitesRequest{}),
	"sipcluster.config.v1.Access.RevokeInvite": askOf(func(d *desk) proto.Message {
		d.write(&configpb.Mutation{Op: &configpb.Mutation_PutInvite{PutInvite: &configpb.Invite{
			Id: credential.NewID(), SecretSha256: token.SecretSha256, ExpiresMs: uint64(time.Now().Add(time.Hour).UnixMilli()),
		}}})
		return &configpb.RevokeInviteRequest{Id: d.view().Invites()[0].GetId()}
	}),
	"sipcluster.config.v1.Access.RekeyNode":       ask(&configpb.RekeyNodeRequest{}),
	"sipcluster.config.v1.Access.DistrustNode":    ask(&configpb.DistrustNodeRequest{Name: "sip3"}),
	"sipcluster.config.v1.Access.ShowAuthority":   ask(&configpb.ShowAuthorityRequest{}),
	"sipcluster.config.v1.Access.RotateAuthority": ask(&configpb.RotateAuthorityRequest{Force: true}),
	"sipcluster.config.v1.Access.RotateKeys": askOf(func(d *desk) proto.Message {
		s := proto.CloneOf(d.view().Security())
		for _, r := range []*configpb.Keyring{s.Gossip, s.Routes} {
			r.Keys = r.Keys[:1]
		}
		d.write(&configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: s}})
		return &configpb.RotateKeysRequest{}
	}),
	"sipcluster.config.v1.Access.ListKeys":  ask(&configpb.ListKeysRequest{}),
	"sipcluster.config.v1.Access.Audit":     ask(&configpb.AuditRequest{}),
	"sipcluster.config.v1.Access.ListBans":  ask(&configpb.ListBansRequest{}),
	"sipcluster.config.v1.Access.ClearBans": ask(&configpb.ClearBansRequest{}),

	"sipcluster.tlib.v1.TLibrary.Session": {all: "its requests are in a test of their own, in node/session"},
}

// Whatever a client asks costs what it answers, a page of it where that is much, and what it
// writes what that changes, however many DNs there are.
func TestClients_CostNoMoreWithManyDNs(t *testing.T) {
	small, large := scale.Sizes()
	few, many := newDesk(t, small), newDesk(t, large)
	t.Run("reads", func(t *testing.T) { measureReads(t, few.office, many.office) })
	t.Run("changes", func(t *testing.T) { measureChanges(t, few, many) })
	t.Run("methods", func(t *testing.T) { measureMethods(t, few, many) })
}

func measureMethods(t *testing.T, few, many *desk) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if name := f.Package(); name != "sipcluster.tc.v1" && name != "sipcluster.config.v1" && name != "sipcluster.tlib.v1" {
			return true
		}
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				m := f.Services().Get(i).Methods().Get(j)
				a, known := methods[m.FullName()]
				switch {
				case !known:
					t.Errorf("%s has no row here: say how it is measured", m.FullName())
				case a.all == "":
					scale.Flat(t, string(m.FullName()), func() { few.do(t, m, a) }, func() { many.do(t, m, a) })
				}
			}
		}
		return true
	})
}

// do does what a client asks of a method, in this goroutine.
func (d *desk) do(t *testing.T, m protoreflect.MethodDescriptor, a asked) {
	service := string(m.Parent().FullName())
	s := &conversation{ctx: t.Context(), requests: a.requests(d), answers: a.answers}
	err := s.call(serviceDescs[service], string(m.Name()), d.services[service])
	if errors.Is(err, errEnough) {
		err = nil
	}
	if status.Code(err) != a.code || s.answers > 0 {
		t.Fatalf("%s: %v, %d answers less than there are", m.FullName(), err, s.answers)
	}
}

var serviceDescs = map[string]*grpc.ServiceDesc{}

func init() { //nolint:gochecknoinits // the table of the generated descriptions
	for _, d := range []*grpc.ServiceDesc{
		&tcpb.Availability_ServiceDesc, &tcpb.Calls_ServiceDesc, &tcpb.Cluster_ServiceDesc, &tcpb.Diagnosis_ServiceDesc, &tcpb.Statistics_ServiceDesc,
		&configpb.Configuration_ServiceDesc, &configpb.Access_ServiceDesc,
	} {
		serviceDescs[d.ServiceName] = d
	}
}

// conversation is a call of a method without a connection.
type conversation struct {
	grpc.ServerStream
	ctx      context.Context //nolint:containedctx // that of a stream
	requests []proto.Message
	answers  int
}

var errEnough = errors.New("enough was answered")

func (c *conversation) Context() context.Context     { return c.ctx }
func (c *conversation) SetHeader(metadata.MD) error  { return nil }
func (c *conversation) SendHeader(metadata.MD) error { return nil }
func (c *conversation) SetTrailer(metadata.MD)       {}

func (c *conversation) RecvMsg(m any) error {
	if len(c.requests) == 0 {
		return io.EOF
	}
	proto.Merge(m.(proto.Message), c.requests[0])
	c.requests = c.requests[1:]
	return nil
}

func (c *conversation) SendMsg(any) error {
	if c.answers--; c.answers == 0 {
		return errEnough
	}
	return nil
}

func (c *conversation) call(of *grpc.ServiceDesc, method string, service any) error {
	for _, m := range of.Methods {
		if m.MethodName == method {
			_, err := m.Handler(service, c.ctx, c.RecvMsg, nil)
			return err
		}
	}
	i := slices.IndexFunc(of.Streams, func(s grpc.StreamDesc) bool { return s.StreamName == method })
	return of.Streams[i].Handler(service, c)
}

// writes are the changes of a configuration, each by its field of Mutation.
var writes = map[protoreflect.Name]func(d *desk) *configpb.Mutation{
	"put_dn": func(d *desk) *configpb.Mutation { return putDN(sipDN(d.last, "nobody")) },
	"delete_dn": func(d *desk) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: d.last}}
	},
	"put_group":    func(*desk) *configpb.Mutation { return putGroup("another") },
	"delete_group": func(*desk) *configpb.Mutation { return deleteGroup("nobody") },
	"put_node": func(*desk) *configpb.Mutation {
		m := keyed("sip3-id", "sip3")
		m.GetPutNode().Draining = true
		return m
	},
	"delete_node": func(*desk) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: "sip3-id"}}
	},
	"put_options": func(*desk) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: "example.com", MaxContacts: 3}}}
	},
	"put_token": func(*desk) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutToken{PutToken: token}}
	},
	"delete_token": func(*desk) *configpb.Mutation { return nil },
	"put_invite": func(*desk) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutInvite{PutInvite: &configpb.Invite{Id: "abcdefgh2345", SecretSha256: token.SecretSha256, ExpiresMs: 1 << 50}}}
	},
	"delete_invite": func(*desk) *configpb.Mutation { return nil },
	"put_security": func(d *desk) *configpb.Mutation {
		s := proto.CloneOf(d.view().Security())
		s.Authorities[0].MadeMs++
		return &configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: s}}
	},
	"join":      func(*desk) *configpb.Mutation { return nil },
	"put_level": func(*desk) *configpb.Mutation { return nil },
	"restore":   func(*desk) *configpb.Mutation { return nil },
}

// elsewhere is why a change is not measured by itself.
var elsewhere = map[protoreflect.Name]string{
	"delete_token": "by RevokeToken", "delete_invite": "by RevokeInvite", "join": "it is put_node and delete_invite",
	"put_level": "a number", "restore": "it replaces everything",
}

// measureChanges measures a change of the configuration by itself, without the disk.
func measureChanges(t *testing.T, few, many *desk) {
	ops := (&configpb.Mutation{}).ProtoReflect().Descriptor().Oneofs().ByName("op").Fields()
	rows := slices.Collect(maps.Keys(writes))
	for i := range ops.Len() {
		name := ops.Get(i).Name()
		rows = slices.DeleteFunc(rows, func(n protoreflect.Name) bool { return n == name })
		if writes[name] == nil {
			t.Errorf("%s has no row here", name)
			continue
		}
		if elsewhere[name] != "" {
			continue
		}
		do := func(d *desk) func() {
			m := writes[name](d)
			return func() {
				if next, err := d.view().With([]*configpb.Mutation{m}); err != nil || next == d.view() {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
		scale.Flat(t, string(name), do(few), do(many))
	}
	if len(rows) > 0 {
		t.Error("no changes: ", rows)
	}
}
