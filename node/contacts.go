package node

import (
	"context"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// maxContact bounds the Contact that a node is asked about, in bytes, as api/bounds does.
const maxContact = 1024

// contactsServer tells other nodes whose a Contact is.
type contactsServer struct {
	peerpb.UnimplementedContactsServer
	n *Node
}

func (s contactsServer) Find(_ context.Context, p *peerpb.FindRequest) (*peerpb.FindResponse, error) {
	return &peerpb.FindResponse{Dn: string(s.n.sip.FindContact(p.GetContact()))}, nil
}

// findContact asks the nodes that are heard which DN's phone has registered a Contact; ""
// when none has, or none says so before ctx ends.
func (n *Node) findContact(ctx context.Context, contact string) dn.Number {
	if len(contact) > maxContact {
		return ""
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var asked sync.WaitGroup
	found := make(chan dn.Number, 1)
	for _, node := range n.machine.View().Nodes() {
		id := dn.Node(node.GetId())
		if id == n.table.Self() || !n.table.Heard(id) {
			continue
		}
		asked.Go(func() {
			conn, err := n.peers.conn(id)
			if err != nil {
				return
			}
			res, err := peerpb.NewContactsClient(conn).Find(ctx, &peerpb.FindRequest{Contact: contact})
			if number, wrong := dn.ParseNumber(res.GetDn()); err == nil && wrong == nil {
				select {
				case found <- number:
					cancel() // one answer will do
				default:
				}
			}
		})
	}
	asked.Wait()
	select {
	case number := <-found:
		return number
	default:
		return ""
	}
}
