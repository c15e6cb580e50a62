package dn

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
)

// csvHeader is the first row of an import, which may leave out the last column.
var csvHeader = []string{"dn", "kind", "password", "external", "groups", "outbound"}

// csvLeast is how many columns there are at least.
const csvLeast = 5

const (
	// maxCSVLine bounds a row in bytes.
	maxCSVLine = 16 << 10
	// maxImport bounds the DNs and groups of one import, as a node does.
	maxImport = 1_000_000
)

// errTooMany ends an import.
var errTooMany = errors.New("split the file")

// rowError is a bad row; the header is row 1.
type rowError struct {
	row int
	err error
	// fatal: nothing can be said of what follows.
	fatal bool
}

func (e rowError) Error() string { return fmt.Sprintf("row %d: %v", e.row, e.err) }

func (e rowError) Unwrap() error { return e.err }

// csvRow is a checked row of an import.
type csvRow struct {
	dn       *configpb.DN
	password string
}

// csvReader reads and checks an import row by row, in little memory besides
// the numbers seen. A row is a line: a field can't hold a line break.
type csvReader struct {
	lines *bufio.Scanner
	row   int
	seen  map[string]int
	// most DNs are taken.
	most int
	// columns that rows have.
	columns int
}

func newCSVReader(r io.Reader) (*csvReader, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxCSVLine)
	c := &csvReader{lines: lines, seen: map[string]int{}, most: maxImport}
	header, err := c.fields()
	if err == nil && len(header) > 0 {
		header[0] = strings.TrimPrefix(header[0], "\ufeff") // what spreadsheets put in front
	}
	want := strings.Join(csvHeader[:csvLeast], ",") + ", perhaps with ,outbound"
	switch {
	case errors.Is(err, io.EOF):
		return nil, rowError{1, fmt.Errorf("the file is empty: want the header %s", want), true}
	case err != nil:
		return nil, err
	case len(header) < csvLeast || len(header) > len(csvHeader) || !slices.Equal(header, csvHeader[:len(header)]):
		return nil, rowError{1, fmt.Errorf("want the header %s", want), true}
	}
	c.columns = len(header)
	return c, nil
}

// next returns the next row, or io.EOF. Other errors name the row.
func (c *csvReader) next() (csvRow, error) {
	f, err := c.fields()
	if err != nil {
		return csvRow{}, err
	}
	row, err := c.check(f)
	if err != nil {
		return csvRow{}, rowError{c.row, err, errors.Is(err, errTooMany)}
	}
	return row, nil
}

// fields splits the next line that is not blank.
func (c *csvReader) fields() ([]string, error) {
	for c.lines.Scan() {
		c.row++
		line := c.lines.Text()
		if strings.TrimSpace(line) == "" {
			continue
		}
		if !strings.ContainsRune(line, '"') {
			return strings.Split(line, ","), nil
		}
		r := csv.NewReader(strings.NewReader(line))
		r.FieldsPerRecord = -1
		f, err := r.Read()
		if err != nil {
			return nil, rowError{c.row, errors.New("a quote is not closed"), false}
		}
		return f, nil
	}
	switch err := c.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, rowError{c.row + 1, fmt.Errorf("the row is longer than %d bytes", maxCSVLine), true}
	case err != nil:
		return nil, err
	}
	return nil, io.EOF
}

func (c *csvReader) check(f []string) (csvRow, error) {
	if len(f) != c.columns {
		return csvRow{}, fmt.Errorf("%d fields, want %d: %s", len(f), c.columns, strings.Join(csvHeader[:c.columns], ","))
	}
	number, password, external := f[0], f[2], f[3]
	if err := config.CheckNumber(number); err != nil {
		return csvRow{}, err
	}
	if first, twice := c.seen[number]; twice {
		return csvRow{}, fmt.Errorf("DN %s is in row %d already", number, first)
	}
	if len(c.seen) == c.most {
		return csvRow{}, fmt.Errorf("more than %d DNs: %w", c.most, errTooMany)
	}
	c.seen[number] = c.row
	kind, err := config.ParseKind(f[1])
	if err != nil {
		return csvRow{}, fmt.Errorf("DN %s: kind %w", number, err)
	}
	groups, err := splitGroups(f[4])
	if err != nil {
		return csvRow{}, fmt.Errorf("DN %s: %w", number, err)
	}
	d := &configpb.DN{Number: number, Kind: kind, External: external, Groups: groups}
	if c.columns > csvLeast {
		if d.Outbound, err = configpb.ParseOutbound(f[csvLeast]); err != nil {
			return csvRow{}, fmt.Errorf("DN %s: outbound %w", number, err)
		}
	}
	if err := checkCSVKind(d, password); err != nil {
		return csvRow{}, fmt.Errorf("DN %s: %w", number, err)
	}
	return csvRow{d, password}, nil
}

func checkCSVKind(d *configpb.DN, password string) error {
	name := d.Kind.Word()
	switch d.Kind {
	case configpb.DNKind_DN_KIND_SIP:
		if password == "" {
			return errors.New("kind sip needs a password")
		}
	case configpb.DNKind_DN_KIND_PSTN:
		if d.External == "" {
			return errors.New("kind pstn needs an external number, as +15551234567")
		}
	case configpb.DNKind_DN_KIND_FEATURE:
		return errors.New("kind feature needs an action, for which CSV has no column: use dn put or apply -f")
	case configpb.DNKind_DN_KIND_TRUNK:
		return errors.New("a trunk needs an address, for which CSV has no column: use dn put or apply -f")
	}
	switch {
	case d.Outbound != nil && d.Kind != configpb.DNKind_DN_KIND_SIP:
		return fmt.Errorf("kind %s makes no calls: leave outbound empty", name)
	case password != "" && d.Kind != configpb.DNKind_DN_KIND_SIP:
		return fmt.Errorf("kind %s takes no password: leave the column empty", name)
	case d.External != "" && d.Kind != configpb.DNKind_DN_KIND_PSTN:
		return fmt.Errorf("kind %s takes no external number: leave the column empty", name)
	case len(password) > maxPassword:
		return fmt.Errorf("the password is longer than %d bytes", maxPassword)
	}
	return nil
}

func splitGroups(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	groups := strings.Split(s, ";")
	for i, g := range groups {
		groups[i] = strings.TrimSpace(g)
		if groups[i] == "" {
			return nil, errors.New("a group name is empty: want names separated by ;")
		}
	}
	return groups, nil
}
