package client

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// MissingGroups are the mutations that create what does not exist of names.
func (c *Client) MissingGroups(ctx context.Context, names []string) ([]*configpb.Mutation, error) {
	if len(names) == 0 {
		return nil, nil
	}
	existing, err := c.Groups(ctx)
	if err != nil {
		return nil, err
	}
	var fresh []*configpb.Mutation
	for _, name := range names {
		if !existing[name] {
			existing[name] = true
			fresh = append(fresh, PutNewGroup(name))
		}
	}
	return fresh, nil
}

// PutNewGroup creates a group that must not exist yet.
func PutNewGroup(name string) *configpb.Mutation {
	return &configpb.Mutation{
		Op:         &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: name}},
		IfRevision: proto.Uint64(0),
	}
}

// Groups are the names of the agent groups that exist.
func (c *Client) Groups(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := c.Call(ctx)
	defer cancel()
	stream, err := c.Config.Export(ctx, &configpb.ExportRequest{Linearizable: true})
	if err != nil {
		return nil, c.Explain(err)
	}
	names := map[string]bool{}
	for {
		part, err := stream.Recv()
		if isEnd(err) {
			return names, nil
		}
		if err != nil {
			return nil, c.Explain(err)
		}
		for _, g := range part.Groups {
			names[g.Name] = true
		}
		if len(part.Dns) > 0 { // groups come before DNs
			return names, nil
		}
	}
}

// Export hands over the parts of the configuration as they come: options,
// nodes, groups, DNs.
func (c *Client) Export(ctx context.Context, req *configpb.ExportRequest, fn func(*configpb.ExportResponse) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := newDeadline(c.timeout, cancel)
	defer watch.stop()
	stream, err := c.Config.Export(ctx, req)
	if err != nil {
		return c.Explain(watch.judge(err))
	}
	for {
		part, err := stream.Recv()
		if isEnd(err) {
			return nil
		}
		if err != nil {
			return c.Explain(watch.judge(err))
		}
		watch.extend()
		if err := fn(part); err != nil {
			return err
		}
	}
}

// CollectReports hands over every node's report as it comes.
func (c *Client) CollectReports(ctx context.Context, fn func(*tcpb.CollectReportsResponse)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := newDeadline(c.timeout, cancel)
	defer watch.stop()
	stream, err := tcpb.NewDiagnosisClient(c.Conn).CollectReports(ctx, &tcpb.CollectReportsRequest{}, grpc.MaxCallRecvMsgSize(maxReport))
	for err == nil {
		var r *tcpb.CollectReportsResponse
		if r, err = stream.Recv(); err == nil {
			watch.extend()
			fn(r)
		}
	}
	if isEnd(err) {
		return nil
	}
	return c.Explain(watch.judge(err))
}

// maxReport is the greatest report of a node that is taken, in bytes.
const maxReport = 8 << 20

// Level asks for the cluster's feature level; 1 from a node that knows none.
func (c *Client) Level(ctx context.Context) (uint32, error) {
	answer, err := Unary(ctx, c, c.Cluster.Status, &tcpb.StatusRequest{})
	return max(1, answer.GetRaft().GetFeatureLevel()), err
}

// Realm asks for the realm that passwords are bound to.
func (c *Client) Realm(ctx context.Context) (string, error) {
	answer, err := Unary(ctx, c, c.Config.GetOptions, &configpb.GetOptionsRequest{})
	if err != nil {
		return "", err
	}
	if answer.GetOptions().GetRealm() == "" {
		return "", fmt.Errorf("the node at %s has no realm yet: wait until it has joined a cluster", c.addr)
	}
	return answer.Options.Realm, nil
}
