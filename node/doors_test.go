package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// running is a cluster of one real node, with clients of its ports.
type running struct {
	t                          *testing.T
	tcport, deflt, clusterport *grpc.ClientConn
	config                     configpb.ConfigurationClient
	availability               tcpb.AvailabilityClient
	consensus                  peerpb.ConsensusClient
	clusterID, id, sixtyFour   string
	asks                       int
}

func runNode(t *testing.T) *running {
	t.Helper()
	leftover.Check(t)
	cfg := node.Config{
		Name: "sip1", Site: "dc1", DataDir: t.TempDir(), Bind: ownAddr(), Realm: "example.org", Bootstrap: true, Insecure: true, Dev: true,
		Log: slog.New(slog.DiscardHandler),
	}
	for i, a := range []*string{&cfg.SIPAddr, &cfg.DefaultAddr, &cfg.TCAddr, &cfg.ClusterAddr, &cfg.GossipAddr, &cfg.HTTPAddr} {
		*a = fmt.Sprintf("%s:%d", cfg.Bind, 7000+i)
	}
	n, err := node.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := patience.Receive(t, "the end of the node", ended); err != nil {
			t.Error(err)
		}
	})
	r := &running{t: t, tcport: dial(t, cfg.TCAddr), deflt: dial(t, cfg.DefaultAddr), clusterport: dial(t, cfg.ClusterAddr), sixtyFour: strings.Repeat("a", 64)}
	r.config, r.availability, r.consensus = configpb.NewConfigurationClient(r.tcport), tcpb.NewAvailabilityClient(r.tcport), peerpb.NewConsensusClient(r.clusterport)
	r.furnish()
	return r
}

var addrs atomic.Uint32

// ownAddr is an address of loopback of which no other test knows: a port that is free
// now on one that others have may be taken by the time that the node binds it.
func ownAddr() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 200+pid/250%50, 1+pid%250, 1+addrs.Add(1)%250)
}

func dial(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// furnish waits for the node and gives it what the requests need: groups and a
// DN of an agent with a telephone elsewhere.
func (r *running) furnish() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	s, err := tcpb.NewClusterClient(r.tcport).Status(ctx, &tcpb.StatusRequest{})
	if err != nil {
		r.t.Fatal("the node never served: ", err)
	}
	r.clusterID = s.GetClusterId()
	ms := []*configpb.Mutation{putGroup(r.sixtyFour), putDN(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567"})}
	for i := range 33 {
		ms = append(ms, putGroup(fmt.Sprint("g", i)))
	}
	if _, err := r.config.Write(ctx, &configpb.WriteRequest{Mutations: ms}); err != nil {
		r.t.Fatal(err)
	}
	nodes, err := r.config.ListNodes(ctx, &configpb.ListNodesRequest{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.id = nodes.GetNodes()[0].GetId()
}

func putGroup(name string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: name}}}
}

// exported is the whole configuration as text.
func (r *running) exported() string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience.Limit)
	defer cancel()
	stream, err := r.config.Export(ctx, &configpb.ExportRequest{Secrets: true})
	if err != nil {
		r.t.Fatal(err)
	}
	var all strings.Builder
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			r.t.Fatal(err)
		}
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(part)
		if err != nil {
			r.t.Fatal(err)
		}
		all.Write(b)
	}
}

// door sends a request to the node and returns what became of it.
type door func(n *running, m protoreflect.MethodDescriptor, req proto.Message) error

type port func(*running) *grpc.ClientConn

func tcport(r *running) *grpc.ClientConn      { return r.tcport }
func clusterport(r *running) *grpc.ClientConn { return r.clusterport }

// doors are those of every method.
var doors = map[protoreflect.FullName]door{
	"sipcluster.config.v1.Configuration.Write":      unary(tcport),
	"sipcluster.config.v1.Configuration.Import":     answered(tcport),
	"sipcluster.config.v1.Configuration.Backup":     streamed(tcport),
	"sipcluster.config.v1.Configuration.Restore":    answered(tcport),
	"sipcluster.config.v1.Configuration.GetDN":      unary(tcport),
	"sipcluster.config.v1.Configuration.Export":     streamed(tcport),
	"sipcluster.config.v1.Configuration.GetOptions": unary(tcport),
	"sipcluster.config.v1.Configuration.ListNodes":  unary(tcport),
	"sipcluster.config.v1.Access.CreateToken":       unary(tcport),
	"sipcluster.config.v1.Access.RevokeToken":       unary(tcport),
	"sipcluster.config.v1.Access.ListTokens":        unary(tcport),
	"sipcluster.config.v1.Access.WhoAmI":            unary(tcport),
	"sipcluster.config.v1.Access.CreateInvite":      unary(tcport),
	"sipcluster.config.v1.Access.ListInvites":       unary(tcport),
	"sipcluster.config.v1.Access.RevokeInvite":      unary(tcport),
	"sipcluster.config.v1.Access.RekeyNode":         unary(tcport),
	"sipcluster.config.v1.Access.DistrustNode":      unary(tcport),
	"sipcluster.config.v1.Access.ShowAuthority":     unary(tcport),
	"sipcluster.config.v1.Access.RotateAuthority":   unary(tcport),
	"sipcluster.config.v1.Access.RotateKeys":        unary(tcport),
	"sipcluster.config.v1.Access.ListKeys":          unary(tcport),
	"sipcluster.config.v1.Access.Audit":             streamed(tcport),
	"sipcluster.config.v1.Access.ListBans":          unary(tcport),
	"sipcluster.config.v1.Access.ClearBans":         unary(tcport),
	"sipcluster.peer.v1.Entrance.Enter":             behindKeys,
	"sipcluster.peer.v1.Entrance.Learn":             behindKeys,
	"sipcluster.peer.v1.Keys.Progress":              behindKeys,
	"sipcluster.peer.v1.Consensus.Join":             unary(clusterport),
	"sipcluster.peer.v1.Consensus.Propose":          unary(clusterport),
	"sipcluster.peer.v1.Directory.Meet":             unary(clusterport),
	"sipcluster.peer.v1.Consensus.ReadIndex":        unary(clusterport),
	"sipcluster.peer.v1.Consensus.Compare":          unary(clusterport),
	"sipcluster.peer.v1.Consensus.Snapshot":         streamed(clusterport),
	"sipcluster.peer.v1.Consensus.Return":           unary(clusterport),
	"sipcluster.peer.v1.Consensus.Reach":            unary(clusterport),
	"sipcluster.tc.v1.Availability.ListRoutable":    unary(tcport),
	"sipcluster.tc.v1.Availability.ListDNs":         unary(tcport),
	"sipcluster.tc.v1.Availability.GetDN":           unary(tcport),
	"sipcluster.tc.v1.Availability.TestRoute":       unary(tcport),
	"sipcluster.tc.v1.Availability.Watch":           streamed(tcport),
	"sipcluster.tc.v1.Diagnosis.ExplainDN":          unary(tcport),
	"sipcluster.tc.v1.Diagnosis.Survey":             unary(tcport),
	"sipcluster.tc.v1.Diagnosis.CollectReports":     streamed(tcport),
	"sipcluster.tc.v1.Diagnosis.ListEvents":         unary(tcport),
	"sipcluster.tc.v1.Diagnosis.WatchEvents":        streamed(tcport),
	"sipcluster.tc.v1.Calls.ListCalls":              unary(tcport),
	"sipcluster.tc.v1.Calls.GetCall":                unary(tcport),
	"sipcluster.tc.v1.Calls.TraceCall":              unary(tcport),
	"sipcluster.tc.v1.Statistics.GetGroups":         unary(tcport),
	"sipcluster.tc.v1.Statistics.ListWaiting":       unary(tcport),
	"sipcluster.tc.v1.Statistics.WatchGroups":       streamed(tcport),
	"sipcluster.tc.v1.Cluster.Status":               unary(tcport),
	"sipcluster.tc.v1.Cluster.RemoveNode":           unary(tcport),
	"sipcluster.tc.v1.Cluster.DrainNode":            unary(tcport),
	"sipcluster.tc.v1.Cluster.WatchNode":            streamed(tcport),
	"sipcluster.peer.v1.Fabric.SetCut":              unary(tcport),
	"sipcluster.peer.v1.TController.Follow":         streamed(clusterport),
	"sipcluster.peer.v1.Contacts.Find":              unary(clusterport),
	"sipcluster.peer.v1.Witness.ViewDN":             unary(clusterport),
	"sipcluster.peer.v1.Witness.ViewCluster":        unary(clusterport),
	"sipcluster.peer.v1.Witness.Report":             unary(clusterport),
	"sipcluster.peer.v1.Witness.History":            unary(clusterport),
	"sipcluster.peer.v1.Witness.Trace":              unary(clusterport),
	"sipcluster.peer.v1.Agents.SetAgent":            unary(clusterport),
	"sipcluster.peer.v1.Agents.Reserve":             unary(clusterport),
	"sipcluster.peer.v1.Agents.Renew":               unary(clusterport),
	"sipcluster.peer.v1.Agents.MakeCall":            unary(clusterport),
	"sipcluster.tlib.v1.TLibrary.Session":           asked,
}

// behindKeys is the door of methods that are served only where nodes have keys: what
// stands in front of every gRPC server of a node, without the port (TestSecured has it).
func behindKeys(_ *running, _ protoreflect.MethodDescriptor, req proto.Message) error {
	return bounds.Check(req)
}

func answerOf(t *testing.T, m protoreflect.MethodDescriptor) proto.Message {
	t.Helper()
	answer, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		t.Fatal(err)
	}
	return answer.New().Interface()
}

func path(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
}

func unary(p port) door {
	return func(n *running, m protoreflect.MethodDescriptor, req proto.Message) error {
		ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Second)
		defer cancel()
		answer := answerOf(n.t, m)
		err := p(n).Invoke(ctx, path(m), req, answer)
		if a, ok := answer.(interface {
			GetErrorCode() uint32
			GetErrorMessage() string
		}); err == nil && ok && tlibpb.ErrorCode(a.GetErrorCode()) == tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE {
			return status.Error(codes.InvalidArgument, a.GetErrorMessage())
		}
		return err
	}
}

// streamed sends one request and reads up to the first answer.
func streamed(p port) door { return stream(p, false) }

// answered is streamed for a request whose answers report progress: it is done behind the
// last of them.
func answered(p port) door { return stream(p, true) }

func stream(p port, whole bool) door {
	return func(n *running, m protoreflect.MethodDescriptor, req proto.Message) error {
		ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Second)
		defer cancel()
		s, err := p(n).NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path(m))
		if err != nil {
			return err
		}
		_ = s.SendMsg(req) // the answer says why not
		_ = s.CloseSend()
		err = s.RecvMsg(answerOf(n.t, m))
		for whole && err == nil {
			err = s.RecvMsg(answerOf(n.t, m))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}

// asked sends a request in a T-Library session at the default port that has
// registered DN 2001, and returns the EventError that answers it.
func asked(n *running, _ protoreflect.MethodDescriptor, req proto.Message) error {
	ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Second)
	defer cancel()
	s, err := tlibpb.NewTLibraryClient(n.deflt).Session(ctx)
	if err != nil {
		return err
	}
	m := req.(*tlibpb.ClientMessage)
	m.ReferenceId = 77
	var say []*tlibpb.ClientMessage
	if m.GetOpenSession() == nil {
		say = append(say, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion}}},
			&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: "2001"}}})
	}
	for _, m := range append(say, m) {
		_ = s.Send(m)
	}
	for {
		got, err := s.Recv()
		if err != nil {
			return err
		}
		for _, e := range got.GetEvents() {
			switch {
			case e.GetReferenceId() != 77:
			case e.GetError().GetCode() == tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE:
				return status.Error(codes.InvalidArgument, e.GetError().GetText())
			default:
				return nil
			}
		}
	}
}
