package peer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	version = 1
	// greetTime is how long a greeting and its answer may take.
	greetTime = 3 * time.Second
	maxID     = 64
)

// greeting says which stream a connection is to be.
type greeting struct {
	slot     uint8
	from, to dn.Node
}

// answer to a greeting.
type answer uint8

const (
	welcome answer = iota
	badVersion
	// otherNode: the address is another node's now.
	otherNode
	// unknownNode: who dials is not in the roster, as far as is known here.
	unknownNode
	// wrongWay: who dials ought to be dialled, or the number is none.
	wrongWay
)

func (a answer) String() string {
	switch a {
	case welcome:
		return "welcome"
	case badVersion:
		return "it speaks another version"
	case otherNode:
		return "another node has the address now"
	case unknownNode:
		return "who dials is not in its roster"
	case wrongWay:
		return "it does not expect this stream"
	}
	return "for a reason unknown here"
}

var errGreeting = errors.New("sip: no greeting of a peer")

func (g greeting) write(c net.Conn) error {
	b := append([]byte{version, g.slot, byte(len(g.from))}, g.from...)
	b = append(append(b, byte(len(g.to))), g.to...)
	_, err := c.Write(b)
	return err
}

// read reads a greeting; ok is false for one of another version.
func (g *greeting) read(c net.Conn) (ok bool, err error) {
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return false, err
	}
	if head[0] != version {
		return false, nil
	}
	g.slot = head[1]
	for _, id := range []*dn.Node{&g.from, &g.to} {
		if *id, err = readID(c); err != nil {
			return false, err
		}
	}
	return true, nil
}

func readID(c net.Conn) (dn.Node, error) {
	var b [maxID]byte
	if _, err := io.ReadFull(c, b[:1]); err != nil {
		return "", err
	}
	if b[0] == 0 || b[0] > maxID {
		return "", errGreeting
	}
	id := b[:b[0]]
	_, err := io.ReadFull(c, id)
	return dn.Node(id), err
}

// dialled greets the node that was dialled and waits for its answer.
func (g greeting) dialled(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(greetTime))
	if err := g.write(c); err != nil {
		return err
	}
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	if a := answer(b[0]); a != welcome {
		return fmt.Errorf("sip: the peer refuses a stream: %s", a)
	}
	return c.SetDeadline(time.Time{})
}
