package cluster

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

// What each level adds is shown, and whether the cluster can use it yet.
func TestFeatures_SaysWhatALevelAdds(t *testing.T) {
	j := newFeaturesJSON(&tcpb.RaftStatus{FeatureLevel: 2, Features: []*tcpb.Feature{{Field: "DN.capacity", Level: 2}, {Field: "DN.next", Level: 3}}},
		[]*configpb.Node{{Name: "sip1", FeatureLevel: 3}, {Name: "sip2", FeatureLevel: 2}})
	clienttest.Same(t, clienttest.Line(t, j), `{"level":2,"next":3,"nodes":[{"node":"sip1","knows":3,"holds_back":false},{"node":"sip2","knows":2,"holds_back":true}],`+
		`"features":[{"field":"DN.capacity","level":2,"usable":true},{"field":"DN.next","level":3,"usable":false}]}`+"\n")
	op, out := clienttest.Plain()
	if err := (commands{op}).printFeatures(j); err != nil {
		t.Fatal(err)
	}
	if want := "LEVEL  ADDS         USABLE\n    2  DN.capacity  yes\n    3  DN.next      no\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("%s\nwant at its end\n%s", out, want)
	}
}
