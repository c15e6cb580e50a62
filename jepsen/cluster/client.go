package cluster

import (
	"context"
	"crypto/md5"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// prepareClient makes the node's client; it connects when it is used.
func (n *Node) prepareClient() (err error) {
	n.conn, err = n.Dial(TCPort)
	return err
}

// Dial makes one more client of a gRPC port of the node, which no cut
// concerns. It connects when it is used; the caller closes it.
func (n *Node) Dial(k Kind) (*grpc.ClientConn, error) {
	from := n.cluster.visitor
	if n.cluster.net != nil {
		from = n.cluster.net.hub
	}
	return n.DialFrom(from, k)
}

// DialFrom is Dial from a place of the test network, whose cuts count. Each
// connection goes through over, if there are any.
func (n *Node) DialFrom(from *Place, k Kind, over ...func(net.Conn) net.Conn) (*grpc.ClientConn, error) {
	return n.DialAs(from, k, n.cluster.proofs(), over...)
}

// DialAs is DialFrom by somebody else than the administrator.
func (n *Node) DialAs(from *Place, k Kind, proofs []grpc.DialOption, over ...func(net.Conn) net.Conn) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+n.Addr(k).String(), append(proofs,
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.3, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := from.Dial(ctx, "tcp4", addr)
			for _, wrap := range over {
				if err == nil {
					conn = wrap(conn)
				}
			}
			return conn, err
		}))...)
}

// Availability is a client of the node's view of what is in service.
func (n *Node) Availability() tcpb.AvailabilityClient { return tcpb.NewAvailabilityClient(n.conn) }

// Statistics is a client of what the node counts.
func (n *Node) Statistics() tcpb.StatisticsClient { return tcpb.NewStatisticsClient(n.conn) }

// Cluster is a client of the node's view of the cluster.
func (n *Node) Cluster() tcpb.ClusterClient { return tcpb.NewClusterClient(n.conn) }

// Configuration is a client of the configuration at the node.
func (n *Node) Configuration() configpb.ConfigurationClient {
	return configpb.NewConfigurationClient(n.conn)
}

// Status asks the node how it sees the cluster.
func (n *Node) Status(ctx context.Context) (*tcpb.StatusResponse, error) {
	return n.Cluster().Status(ctx, &tcpb.StatusRequest{})
}

// WaitReady waits until the node answers, or tells why it ended.
func (n *Node) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended, code := n.Exited()
	go func() {
		select {
		case <-ended:
			cancel(fmt.Errorf("it ended with exit code %d", code()))
		case <-ctx.Done():
		}
	}()
	_, err := Eventually(ctx, n.cluster.cfg.ReadyWithin, "node "+n.name+" answers", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := n.Status(ctx)
		return err
	})
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("node %s: %w", n.name, cause)
	}
	return fmt.Errorf("%w\n%s", err, n.LogTail(20))
}

// hears returns why the node does not hear all the others, or sees no quorum.
func (n *Node) hears(ctx context.Context, others []*Node) error {
	status, err := n.Status(ctx)
	if err != nil {
		return fmt.Errorf("node %s: %w", n.name, err)
	}
	if !status.GetRaft().GetQuorum() {
		return fmt.Errorf("node %s sees no quorum", n.name)
	}
	reasons := map[string]string{n.name: ""}
	for _, p := range status.GetPeers() {
		reasons[p.GetNode()] = p.GetReason()
		if !p.GetReachable() && p.GetReason() == "" {
			reasons[p.GetNode()] = "not reachable"
		}
	}
	for _, o := range others {
		if reason, known := reasons[o.name]; !known || reason != "" {
			return fmt.Errorf("node %s does not hear %s (known: %v): %s", n.name, o.name, known, reason)
		}
	}
	return nil
}

// SIPDN is the configuration of a phone's DN with that password.
func SIPDN(number, realm, password string) *configpb.DN {
	ha1 := md5.Sum([]byte(number + ":" + realm + ":" + password))
	return &configpb.DN{
		Number: number, Kind: configpb.DNKind_DN_KIND_SIP,
		Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, Ha1: fmt.Sprintf("%x", ha1),
	}
}

// PSTNDN is the configuration of an agent's DN at a telephone in the public network.
func PSTNDN(number, external string) *configpb.DN {
	return &configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_PSTN, External: external}
}

// Realm asks for the cluster's SIP domain.
func (n *Node) Realm(ctx context.Context) (string, error) {
	r, err := n.Configuration().GetOptions(ctx, &configpb.GetOptionsRequest{})
	return r.GetOptions().GetRealm(), err
}

// ChangeOptions writes the cluster's options as they are but for a change.
func (n *Node) ChangeOptions(ctx context.Context, change func(*configpb.Options)) error {
	now, err := n.Configuration().GetOptions(ctx, &configpb.GetOptionsRequest{})
	if err != nil {
		return err
	}
	change(now.Options)
	now.Options.Revision = 0
	_, err = n.Configuration().Write(ctx, &configpb.WriteRequest{Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutOptions{PutOptions: now.Options}}}})
	return err
}

// chunk is how many DNs go into one message of an import.
const chunk = 500

// PutDNs writes DNs through the node, in as many pieces as it takes.
func (n *Node) PutDNs(ctx context.Context, dns []*configpb.DN) error {
	stream, err := n.Configuration().Import(ctx)
	if err != nil {
		return err
	}
	for len(dns) > 0 {
		piece := dns[:min(chunk, len(dns))]
		dns = dns[len(piece):]
		req := &configpb.ImportRequest{}
		for _, d := range piece {
			req.Mutations = append(req.Mutations, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
		}
		if err := stream.Send(req); err != nil {
			break // Recv has the reason
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return drain(stream.Recv)
}
