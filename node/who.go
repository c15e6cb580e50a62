package node

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// whoPreamble asks who is there. The cluster port answers by itself, whatever the
// rest of the node is busy with: the id, and which process that is.
const whoPreamble = "sipcWHO\x00"

// self is who answers at the port.
type self struct {
	id       string
	instance uint64
	started  time.Time
}

// presence is what a process says of itself to anybody.
func (s self) presence() *peerpb.Presence {
	return &peerpb.Presence{Node: &configpb.Node{Id: s.id}, Instance: s.instance, UpMs: uint64(max(0, time.Since(s.started).Milliseconds()))}
}

func (p *clusterPort) answerWho(conn net.Conn) error {
	defer conn.Close()
	b, err := proto.Marshal(p.self.presence())
	if err != nil || len(b) > math.MaxUint16 {
		return errors.Join(err, errors.New("no answer"))
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// who asks who is at an address. key is that of whoever answers, "" where nobody has
// one; that it is the node's is for the caller to judge.
func (p *clusterPort) who(ctx context.Context, addr string) (there *peerpb.Presence, key string, err error) {
	conn, err := p.fabric.dial(ctx, addr)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = conn.Close() }()
	raw := conn // the one that a secured one has below
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Now()) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(openTimeout))
	switch {
	case p.identity != nil:
		secured := tls.Client(conn, p.identity.Asking())
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, "", err
		}
		conn, key = secured, identity.KeyOf(secured.ConnectionState())
	case p.key != nil:
		conn = tls.Client(conn, p.key.client)
	}
	if _, err := io.WriteString(conn, whoPreamble); err != nil {
		return nil, "", err
	}
	there, err = readPresence(conn)
	return there, key, err
}

func readPresence(r io.Reader) (*peerpb.Presence, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	there := &peerpb.Presence{}
	return there, proto.Unmarshal(b, there)
}

// whoIs asks who is at an address and believes it when it has the key of the node
// that it claims to be: nil when nobody answers, or somebody else than a node.
func (p *clusterPort) whoIs(ctx context.Context, addr string) *peerpb.Presence {
	there, key, err := p.who(ctx, addr)
	if err != nil || there.GetNode().GetId() == "" {
		return nil
	}
	if p.identity != nil && p.identity.Trust().Holds(there.GetNode().GetId(), key) != nil {
		return nil
	}
	return there
}
