package node

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/message"
)

// witness tells other nodes what this one believes of a DN and of the cluster.
type witness struct {
	peerpb.UnimplementedWitnessServer
	n *Node
}

func (w witness) ViewDN(_ context.Context, req *peerpb.ViewDNRequest) (*peerpb.ViewDNResponse, error) {
	if req.GetClusterId() != w.n.lineage() {
		return nil, errOtherCluster
	}
	number, err := dn.ParseNumber(req.GetDn())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &peerpb.ViewDNResponse{View: w.n.diagnosis().ViewDN(number, req.GetChanges())}, nil
}

func (w witness) ViewCluster(ctx context.Context, req *peerpb.ViewClusterRequest) (*peerpb.ViewClusterResponse, error) {
	if req.GetClusterId() != w.n.lineage() {
		return nil, errOtherCluster
	}
	st, err := w.n.cluster(nil).Status(ctx, &tcpb.StatusRequest{})
	return &peerpb.ViewClusterResponse{Status: st}, err
}

func (w witness) Report(_ context.Context, req *peerpb.ReportRequest) (*peerpb.ReportResponse, error) {
	if req.GetClusterId() != w.n.lineage() {
		return nil, errOtherCluster
	}
	return &peerpb.ReportResponse{Files: w.n.report()}, nil
}

func (w witness) Trace(_ context.Context, req *peerpb.TraceRequest) (*peerpb.TraceResponse, error) {
	if req.GetClusterId() != w.n.lineage() {
		return nil, errOtherCluster
	}
	return &peerpb.TraceResponse{View: w.n.traceView(req.GetCall()), Now: timestamppb.Now()}, nil
}

func (w witness) History(_ context.Context, req *peerpb.HistoryRequest) (*peerpb.HistoryResponse, error) {
	if req.GetClusterId() != w.n.lineage() {
		return nil, errOtherCluster
	}
	now := time.Now()
	part := w.n.diagnosis().OwnEvents(req, now.Sub(req.GetNow().AsTime()))
	return &peerpb.HistoryResponse{Part: part, Now: timestamppb.New(now)}, nil
}

var errOtherCluster = status.Error(codes.FailedPrecondition, "that node is of another cluster")

func (n *Node) diagnosis() *api.Diagnosis {
	return api.NewDiagnosis(api.DiagnosisConfig{
		Table: n.table, View: n.machine.View, Bindings: n.bindings, Ask: n.askView,
		Status: n.cluster(nil).Status, AskStatus: n.askStatus,
		Report: n.report, AskReport: n.askReport,
		History: n.history, AskHistory: n.askHistory,
	})
}

// askView asks another node what it believes of a DN.
func (n *Node) askView(ctx context.Context, id dn.Node, number string, changes uint32) (*tcpb.DNView, error) {
	conn, err := n.peers.conn(id)
	if err != nil {
		return nil, err
	}
	r, err := peerpb.NewWitnessClient(conn).ViewDN(ctx, &peerpb.ViewDNRequest{ClusterId: n.lineage(), Dn: number, Changes: changes})
	return r.GetView(), unanswered(err)
}

// askStatus asks another node how it sees the cluster.
func (n *Node) askStatus(ctx context.Context, id dn.Node) (*tcpb.StatusResponse, error) {
	conn, err := n.peers.conn(id)
	if err != nil {
		return nil, err
	}
	r, err := peerpb.NewWitnessClient(conn).ViewCluster(ctx, &peerpb.ViewClusterRequest{ClusterId: n.lineage()})
	return r.GetStatus(), unanswered(err)
}

// askReport asks another node for its report.
func (n *Node) askReport(ctx context.Context, id dn.Node) ([]*tcpb.ReportFile, error) {
	conn, err := n.peers.conn(id)
	if err != nil {
		return nil, err
	}
	r, err := peerpb.NewWitnessClient(conn).Report(ctx, &peerpb.ReportRequest{ClusterId: n.lineage()}, grpc.MaxCallRecvMsgSize(maxReport))
	return r.GetFiles(), unanswered(err)
}

// askHistory asks another node what it has told its clients.
func (n *Node) askHistory(ctx context.Context, id dn.Node, req *peerpb.HistoryRequest) (*tcpb.EventsPart, time.Duration, error) {
	conn, err := n.peers.conn(id)
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	req.ClusterId, req.Now = n.lineage(), timestamppb.New(began)
	r, err := peerpb.NewWitnessClient(conn).History(ctx, req, grpc.MaxCallRecvMsgSize(maxHistory))
	if err != nil {
		return nil, 0, unanswered(err)
	}
	return r.GetPart(), n.aheadOf(id, began, r.GetNow().AsTime()), nil
}

// maxHistory is the greatest part of the history that another node is believed, in bytes.
const maxHistory = 16 << 20

// unanswered says for people why a node did not tell what it believes.
func unanswered(err error) error {
	switch status.Code(err) {
	case codes.Unimplemented:
		return status.Error(codes.Unimplemented, "its version can't be asked for that")
	case codes.DeadlineExceeded, codes.Unavailable, codes.Canceled: // the last when its loss is noticed meanwhile
		return status.Error(status.Code(err), "it does not answer")
	}
	return err
}

// bindings are where the calls of a DN go that is registered here.
func (n *Node) bindings(number dn.Number) (list []*tcpb.DNBinding) {
	entry := n.store.Get(number)
	if entry == nil {
		return nil
	}
	for i := range entry.Bindings {
		b := &entry.Bindings[i]
		instance, _ := message.Param([]byte(b.Params), "+sip.instance")
		list = append(list, &tcpb.DNBinding{
			Contact: text(b.Contact), Transport: strings.ToLower(b.Transport.String()), Source: b.Source.String(), Expires: timestamppb.New(b.Expires),
			Instance: text(string(instance)), UserAgent: text(b.UserAgent), Unresponsive: b.Unresponsive,
		})
		for _, hop := range b.Path {
			list[i].Path = append(list[i].Path, text(hop))
		}
	}
	return list
}

// text is what a phone wrote, as a protocol buffer takes it.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
