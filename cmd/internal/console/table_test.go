package console_test

import (
	"bytes"
	"testing"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

func TestTable_ColoursOnlyWhenAsked(t *testing.T) {
	tab := &console.Table{Head: []string{"DN", "STATE"}}
	tab.Add(console.Text("1001"), console.Tinted("● InSrv", console.Green))
	tab.Add(console.Text("1"), console.Tinted("○ OOS", console.Red))
	var b bytes.Buffer
	if err := tab.Write(&b, true); err != nil {
		t.Fatal(err)
	}
	clienttest.Same(t, b.String(), "\x1b[2mDN\x1b[0m    \x1b[2mSTATE\x1b[0m\n1001  \x1b[32m● InSrv\x1b[0m\n1     \x1b[31m○ OOS\x1b[0m\n")
}
