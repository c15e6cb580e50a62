package e2e_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"

	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// get asks a node's HTTP port from the node's own site.
func get(ctx context.Context, n *cluster.Node, path string) (status int, body string, err error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return n.Phones().Dial(ctx, network, addr)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Addr(cluster.HTTPPort).String()+path, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// reflected lists the services that a node's TCport tells of.
func reflected(ctx context.Context, n *cluster.Node) (string, error) {
	conn, err := n.Dial(cluster.TCPort)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return "", err
	}
	ask := &grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(ask); err != nil {
		return "", err
	}
	answer, err := stream.Recv()
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return strings.Join(names, " "), stream.CloseSend()
}

// health is the TCport's word on the whole server.
func health(ctx context.Context, n *cluster.Node) (string, error) {
	conn, err := n.Dial(cluster.TCPort)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	res, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return res.GetStatus().String(), err
}
