package membership

import (
	"encoding/binary"
	"time"

	"github.com/hashicorp/memberlist"
)

// meta tells the others this node's incarnation and cluster address: 8 bytes
// big-endian, then the text.
type meta struct {
	incarnation uint64
	clusterAddr string
}

func (m meta) NodeMeta(limit int) []byte {
	b := binary.BigEndian.AppendUint64(nil, m.incarnation)
	return append(b, m.clusterAddr...)[:min(limit, 8+len(m.clusterAddr))]
}

func (meta) NotifyMsg([]byte)                           {}
func (meta) GetBroadcasts(overhead, limit int) [][]byte { return nil }
func (meta) LocalState(join bool) []byte                { return nil }
func (meta) MergeRemoteState(buf []byte, join bool)     {}

func parseMeta(b []byte) (incarnation uint64, clusterAddr string) {
	if len(b) < 8 {
		return 0, ""
	}
	return binary.BigEndian.Uint64(b), string(b[8:])
}

// events notes what memberlist tells, which it does with its lock held.
type events struct {
	g          *Gossip
	generation int
}

func (e events) NotifyJoin(n *memberlist.Node)   { e.g.seen(n) }
func (e events) NotifyUpdate(n *memberlist.Node) { e.g.seen(n) }

func (e events) NotifyLeave(n *memberlist.Node) {
	g := e.g
	g.mu.Lock()
	defer g.mu.Unlock()
	id := NodeID(n.Name)
	m := g.members[id]
	if m == nil || e.generation != g.generation {
		return
	}
	m.listed = false
	if time.Since(g.stalled) < stallDoubt {
		g.doubted++
		g.Rejoin(id)
		return
	}
	m.Alive = false
	g.notify(id)
}

// maxMembers bounds what gossip can make this process remember.
const maxMembers = 1024

func (g *Gossip) seen(n *memberlist.Node) {
	id := NodeID(n.Name)
	if id == g.cfg.ID {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members[id]
	if m == nil {
		if len(g.members) >= maxMembers {
			return
		}
		m = &member{Member: Member{ID: id}}
		g.members[id] = m
	}
	m.Alive, m.listed, m.silent = true, true, false
	m.Incarnation, m.ClusterAddr = parseMeta(n.Meta)
	g.notify(id)
}
