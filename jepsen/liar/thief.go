// Package liar is programs that hold what is not theirs: the files of a node of the
// cluster, or of one that was removed, tokens of too little or too late. Each tries
// to be taken for somebody else at the nodes' ports. Scenarios and e2e use it.
package liar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/node/identity"
)

// Thief has the files of a node, and calls itself a node of the cluster.
type Thief struct {
	// Of is the name of the node whose files these are; ID is whose name the thief
	// uses, with a certificate that says so.
	Of, ID string
	// Own is the id of the node whose files these are.
	Own string

	dir   string
	place *cluster.Place
	who   *identity.Identity
	view  *fsm.View
}

// stolen are the files of a data directory by which a node is known, and the store
// of the configuration.
var stolen = []string{"node.key", "node.crt", "seal.key", "trust", "config.db"}

// take copies the files that are there; the store of the configuration has to be.
func take(from, to string, names []string) error {
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) && name != "config.db" {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Steal copies the node's files into an empty directory. Who has them stands at the place.
func Steal(n *cluster.Node, place *cluster.Place, dir string) (*Thief, error) {
	if err := take(n.DataDir(), dir, stolen); err != nil {
		return nil, err
	}
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(dir, "config.db")}) // it may be torn: the node writes it
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	own := m.View().NodeByName(n.Name())
	if own == nil {
		return nil, fmt.Errorf("the files of %s don't know it", n.Name())
	}
	t := &Thief{dir: dir, Of: n.Name(), ID: own.GetId(), Own: own.GetId(), place: place, view: m.View()}
	t.who, err = identity.Open(identity.Config{Dir: dir, ID: t.ID, Name: n.Name(), Log: slog.New(slog.DiscardHandler)})
	return t, t.certified(err)
}

// ErrTorn says that the files don't belong together: the node wrote them meanwhile.
var ErrTorn = errors.New("no certificate of the key among the files")

// certified is err, or ErrTorn without a certificate to show.
func (t *Thief) certified(err error) error {
	if err == nil && t.who.Certificate() == nil {
		return ErrTorn
	}
	return err
}

// As is the thief with a certificate of the cluster's authority that names another
// node, which the seal among the files lets it sign. dir is an empty directory.
func (t *Thief) As(other *configpb.Node, dir string) (*Thief, error) {
	if err := take(t.dir, dir, []string{"node.key", "seal.key", "trust"}); err != nil {
		return nil, err
	}
	who, err := identity.Open(identity.Config{Dir: dir, ID: other.GetId(), Name: other.GetName(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	signed := &Thief{dir: dir, Of: t.Of, ID: other.GetId(), Own: t.Own, place: t.place, who: who, view: t.view}
	return signed, signed.certified(who.Renew(t.view.Epoch(), t.view.Security().GetAuthorities(), time.Now()))
}

// Forget takes the files away.
func (t *Thief) Forget() { _ = os.RemoveAll(t.dir) }

// Node is what the stolen configuration knows of a node, by its name.
func (t *Thief) Node(name string) *configpb.Node { return t.view.NodeByName(name) }

// Certificate is the one that the thief shows.
func (t *Thief) Certificate() tls.Certificate { return *t.who.Certificate() }

// patience bounds each step of an attempt.
const patience = 3 * time.Second

// dial opens a connection of the protocol to the cluster port of a node. Whoever is
// there is believed: the thief wants to be taken for somebody, not to be sure.
func (t *Thief) dial(ctx context.Context, to *configpb.Node, protocol, preamble string) (net.Conn, error) {
	conn, err := t.place.Dial(ctx, "tcp4", to.GetClusterAddr())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreached, err)
	}
	secured := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{protocol}, MinVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{t.Certificate()},
	})
	_ = conn.SetDeadline(time.Now().Add(patience))
	if err = secured.HandshakeContext(ctx); err == nil {
		_, err = secured.Write([]byte(preamble))
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, conn.SetDeadline(time.Time{})
}

// ErrUnreached says that the port was not reached: nothing was tried.
var ErrUnreached = errors.New("not reached")

// grpc is a client of the cluster port, by one of the protocols for gRPC.
func (t *Thief) grpc(to *configpb.Node, protocol string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+to.GetClusterAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return t.dial(ctx, to, protocol, "") }))
}
