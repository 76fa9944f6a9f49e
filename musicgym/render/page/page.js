// The page comes to life.
const players = [...document.querySelectorAll(".piece")].map((card) => new Player(card, new Piece(page.pieces[card.dataset.piece])));
const marks = new Marks(players);
const box = document.getElementById("chart");
if (box) new Curves(box);

// For tests and for the console: a piece's level as it will be heard, and the one that sounds.
window.musicgym = {
  data: page,
  players,
  marks,
  render: async (index) => level(await render(players[index].piece, (voice) => players[index].share(voice))),
};
