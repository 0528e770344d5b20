//! What all pages share: the layout, the style sheet, the scripts, small components.
