package check

import (
	"fmt"
	"strings"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// clientsAuthority is S28: whoever holds what is another's, or what does not count any
// more, is taken for nothing by it, and it is counted.
func clientsAuthority(m *model) (out []Finding, looked int) {
	refused := map[string][]*history.Op{}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		switch {
		case op.Kind != history.Claim:
		case op.OK():
			looked++
			out = append(out, Finding{
				Text:   fmt.Sprintf("%s let somebody %s, who has %s", op.Node, op.Key, op.From),
				Events: []Event{opEvent(op)}, Nodes: []string{op.Node},
			})
		case op.Outcome == history.Fail:
			looked++
			if strings.HasPrefix(op.From, history.StolenFiles) { // who is known and may not is told so, and that's all
				refused[op.Node] = append(refused[op.Node], op)
			}
		}
	}
	for node, ops := range refused {
		first, last := ops[0], ops[len(ops)-1]
		before, after := m.statusAround(node, first.Invoke, last.Return)
		if before == nil || after == nil || before.Strangers == nil || after.Strangers == nil || m.stopped[node].touch(Span{before.Asked, after.Answered}) {
			continue
		}
		if *after.Strangers == *before.Strangers {
			out = append(out, Finding{
				Text:   fmt.Sprintf("%s refused somebody %d times, and counted none", node, len(ops)),
				Events: []Event{opEvent(first), opEvent(last), statusEvent(before), statusEvent(after)}, Nodes: []string{node},
			})
		}
	}
	return out, looked
}
