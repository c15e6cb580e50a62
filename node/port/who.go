package port

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

// Self is who answers at the port: the node, and which of its processes.
type Self struct {
	ID       string
	Instance uint64
	Started  time.Time
}

// Presence is what a process says of itself to anybody.
func (s Self) Presence() *peerpb.Presence {
	return &peerpb.Presence{Node: &configpb.Node{Id: s.ID}, Instance: s.Instance, UpMs: uint64(max(0, time.Since(s.Started).Milliseconds()))}
}

func (p *Port) answerWho(conn net.Conn) error {
	defer conn.Close()
	b, err := proto.Marshal(p.Self.Presence())
	if err != nil || len(b) > math.MaxUint16 {
		return errors.Join(err, errors.New("no answer"))
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// Who asks who is at an address. key is that of whoever answers, "" where nobody has
// one; that it is the node's is for the caller to judge.
func (d *Dialer) Who(ctx context.Context, addr string) (there *peerpb.Presence, key string, err error) {
	conn, err := d.Fabric.Dial(ctx, addr)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = conn.Close() }()
	raw := conn // the one that a secured one has below
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Now()) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(OpenTimeout))
	switch {
	case d.Identity != nil:
		secured := tls.Client(conn, d.Identity.Asking())
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, "", err
		}
		conn, key = secured, identity.KeyOf(secured.ConnectionState())
	case d.Key != nil:
		conn = tls.Client(conn, d.Key.client)
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

// WhoIs asks who is at an address and believes it when it has the key of the node
// that it claims to be: nil when nobody answers, or somebody else than a node.
func (d *Dialer) WhoIs(ctx context.Context, addr string) *peerpb.Presence {
	there, key, err := d.Who(ctx, addr)
	if err != nil || there.GetNode().GetId() == "" {
		return nil
	}
	if d.Identity != nil && d.Identity.Trust().Holds(there.GetNode().GetId(), key) != nil {
		return nil
	}
	return there
}
