package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/consensus"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/port"
	"github.com/sipcluster/sipcluster/node/problem"
)

// NoRecovery is what Config.AcceptRecovery says for the cluster that was never
// recovered: the way back for a node that was recovered although the others lived.
const NoRecovery = "none"

// acceptPatience is how long a node that starts looks for a member of the recovery
// that it shall accept.
const acceptPatience = 10 * time.Second

// acceptRecovery has this node take part in another recovery of its cluster, when the
// operator says so and a member of that answers: its copy of the configuration is set
// aside and comes anew from there, and nothing else is touched. Otherwise it goes on
// with what it has: SIP is served in any case.
func (n *Node) acceptRecovery(ctx context.Context) error {
	wanted := n.cfg.AcceptRecovery
	if wanted == NoRecovery {
		wanted = ""
	}
	if n.cfg.AcceptRecovery == "" || n.id.ClusterID == "" || n.lineage() == fsm.Lineage(n.id.ClusterID, wanted) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, acceptPatience)
	defer cancel()
	if err := n.findRecovery(ctx, fsm.Lineage(n.id.ClusterID, wanted)); err != nil {
		n.problems.Begin(problem.Problem{
			Code: "recovery-not-accepted", Text: fmt.Sprintf("recovery %s is not accepted, and nothing was set aside: %v", n.cfg.AcceptRecovery, err),
			Advice: "start this node again with --join of a living member of that recovery and the name that its status tells, or without --accept-recovery",
		})
		return nil
	}
	return n.startAnew(wanted, time.Now())
}

// startAnew sets the copy of the configuration aside. Whenever it is cut short, the
// next start goes on with it.
func (n *Node) startAnew(recovery string, now time.Time) error {
	if err := n.machine.Close(); err != nil {
		return err
	}
	var asides []string
	for _, name := range []string{raftDir, configFile} {
		aside, err := setAside(filepath.Join(n.cfg.DataDir, name), now)
		if err != nil {
			return err
		}
		asides = append(asides, aside)
	}
	if err := identity.Restart(n.cfg.DataDir); err != nil {
		return err
	}
	n.id.Recovery, n.anew = recovery, true
	if err := n.id.save(); err != nil {
		return err
	}
	n.log.Warn("recovery accepted: the configuration comes anew from its members", "recovery", n.cfg.AcceptRecovery, "set_aside", asides)
	_ = os.Remove(filepath.Join(n.cfg.DataDir, configCopy)) // of the former configuration
	return n.openMachine()
}

// findRecovery returns when a member of that lineage has answered at one of the
// addresses to join at. The error says what each of them said last.
func (n *Node) findRecovery(ctx context.Context, lineage string) error {
	if len(n.cfg.Join) == 0 {
		return errors.New("--join HOST:PORT of one of its members is missing")
	}
	way := &port.Dialer{Key: n.key, Fabric: n.fabric}
	if n.cfg.secured() {
		who, err := identity.Open(identity.Config{Dir: n.cfg.DataDir, ID: n.id.ID, Name: n.cfg.Name, Log: n.log, Refused: func(string, error) {}})
		if err != nil {
			return fmt.Errorf("the key of this node: %w", err)
		}
		way.Identity = who
	}
	for {
		var said []error
		final := true
		for _, addr := range n.cfg.Join {
			err := askLineage(ctx, way, addr, lineage)
			if err == nil {
				return nil
			}
			final = final && (errors.Is(err, consensus.ErrOtherRecovery) || errors.Is(err, consensus.ErrOtherCluster))
			said = append(said, fmt.Errorf("%s: %w", addr, err))
		}
		pause := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
			final = true
		case <-pause.C:
		}
		pause.Stop()
		if final {
			return errors.Join(said...)
		}
	}
}

// errNobody: no node of the cluster answers at an address.
var errNobody = errors.New("no node that this one knows answers there")

// askLineage asks the node at an address.
func askLineage(ctx context.Context, way *port.Dialer, addr, lineage string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	there := way.WhoIs(ctx, addr)
	if there == nil {
		return errNobody
	}
	conn, err := way.Dial(ctx, there.GetNode().GetId(), addr)
	if err != nil {
		return err
	}
	defer conn.Close() // the client has it from its first request on
	client, err := over(conn, addr)
	if err != nil {
		return err
	}
	defer client.Close()
	return consensus.IsOf(ctx, client, lineage)
}

// over is a client of the connection, which it closes; it makes no other.
func over(conn net.Conn, addr string) (*grpc.ClientConn, error) {
	first := make(chan net.Conn, 1)
	first <- conn
	client, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecureCredentials), grpc.WithDisableRetry(),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case conn := <-first:
				return conn, nil
			default:
				return nil, net.ErrClosed
			}
		}))
	if err != nil {
		_ = conn.Close()
	}
	return client, err
}
